import { eventTypeOf, type StatusChange } from '#contracts';
import type { AgentEventEntity } from '#database';
import type { DeliveryView } from './delivery.schema.js';

/** Why an agent event was, or was not, notified of a change; in words for people. Pure. */
export function reasonOf(event: AgentEventEntity, change: StatusChange, delivery: DeliveryView | undefined): string {
  if (delivery) {
    switch (delivery.status) {
      case 'waiting':
        return 'it waits for its first attempt: behind an earlier notification of this agent to the same url, or because the agent event is suspended';
      case 'retrying':
        return 'its attempts failed so far, and it is tried again';
      case 'delivered':
        return 'it was delivered';
      case 'failed':
        return 'every attempt failed until the retry window ended';
      case 'dropped':
        return 'it was dropped';
    }
  }
  const eventType = eventTypeOf(change.agentStatus);
  if (event.eventType !== eventType) return `it is for ${event.eventType}, and the change was an ${eventType}`;
  if (event.agentType !== null && event.agentType !== change.agentType) return `it is for ${event.agentType} agents`;
  if (event.agentId !== null ? change.sequence <= event.afterSequence : change.changedAt < event.createdAt) {
    return 'it was added after the change';
  }
  return 'the change has not been fanned out yet, or it was added while the change was made';
}

/** What was made of an agent's telemetry up to a moment; in words for people. Pure. */
export function decisionOf(change: StatusChange | undefined, at: Date): string {
  if (!change) {
    return `Nothing that was reported until ${at.toISOString()} changed the agent's status: it counts as logged_out until it is first reported available.`;
  }
  return (
    `The report of ${change.occurredAt.toISOString()} (${change.eventSource}) changed the status to ${change.agentStatus} with sequence ${change.sequence}, ` +
    `and was written at ${change.changedAt.toISOString()}. Reports between that and ${at.toISOString()} repeated the status or were older, and changed nothing.`
  );
}
