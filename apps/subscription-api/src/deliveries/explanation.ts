import { eventTypeOf, type AgentStatus, type StatusChange } from '#contracts';
import type { AgentEvent } from '../agent-events/agent-event.schema.js';
import type { LastReport } from '../agents/agent.repository.js';
import type { DeliveryState } from './delivery-state.js';

/** Why an agent was, or was not, notified, as codes and in words for people: contract §3. Pure. Nothing is said of what was not recorded. */

export const STEPS = ['report', 'decision', 'change', 'agent_events', 'attempts'] as const;

/** One step of the path from telemetry to the third party. */
export interface Step {
  readonly step: (typeof STEPS)[number];
  readonly code: string;
  readonly words: string;
}

/** Why an agent event was, or was not, told. */
export interface Reason {
  readonly code: string;
  readonly words: string;
}

/** What the log says of an agent at a moment. */
export type AtMoment =
  | { readonly kind: 'change'; readonly change: StatusChange }
  /** It had not changed yet. */
  | { readonly kind: 'no_change' }
  /** It was not known yet. */
  | { readonly kind: 'not_seen'; readonly firstSeen: Date }
  /** The log does not reach back so far. */
  | { readonly kind: 'not_kept'; readonly keptSince: Date };

const WORDS: Readonly<Record<AgentStatus, string>> = { available: 'available', logged_out: 'logged out' };

/** The last report that is known of. */
export function reportStep(moment: AtMoment, report: LastReport | undefined): Step {
  const step = 'report';
  const isOfChange = moment.kind === 'change' && (!report || report.reported_at < moment.change.changedAt);
  if (report && !isOfChange) {
    const { reported_at, agent_status, event_source, result, since_change } = report;
    const count = result === 'changed' ? '' : `, report ${since_change} since the last change`;
    const words = `The last report came at ${reported_at.toISOString()} and said ${WORDS[agent_status]} (${event_source})${count}.`;
    return { step, code: 'last_report', words };
  }
  if (moment.kind === 'change') {
    const { occurredAt, agentStatus, eventSource } = moment.change;
    const words = `It was reported ${WORDS[agentStatus]} (${eventSource}) as of ${occurredAt.toISOString()}. Of later reports up to that moment nothing is recorded.`;
    return { step, code: 'report_of_change', words };
  }
  return { step, code: 'not_recorded', words: 'No report up to that moment is recorded.' };
}

/** What was made of the last report that is known of. */
export function decisionStep(moment: AtMoment, report: LastReport | undefined): Step {
  const step = 'decision';
  if (report && report.result !== 'changed' && !(moment.kind === 'change' && report.reported_at < moment.change.changedAt)) {
    return { step, code: report.result, words: DECISIONS[report.result] };
  }
  if (moment.kind !== 'change') return { step, code: 'not_recorded', words: 'No decision up to that moment is recorded.' };
  const { occurredAt, eventSource, agentStatus } = moment.change;
  const words = `The report of ${occurredAt.toISOString()} (${eventSource}) changed the status to ${agentStatus}.`;
  return { step, code: 'changed', words };
}

const DECISIONS = {
  unchanged: 'It repeated the status that the agent had, and changed nothing.',
  stale: 'It was older than the last change, and changed nothing.',
  rejected: 'It did not fit the agent, and was rejected.',
} as const;

/** The change that was in force. */
export function changeStep(moment: AtMoment): Step {
  const step = 'change';
  switch (moment.kind) {
    case 'change': {
      const { agentStatus, sequence, changedAt } = moment.change;
      const words = `Change ${sequence} of the agent, to ${WORDS[agentStatus]}, was written at ${changedAt.toISOString()}.`;
      return { step, code: 'changed', words };
    }
    case 'no_change':
      return { step, code: 'no_change', words: 'The agent had not changed yet; until it does it counts as logged out.' };
    case 'not_seen':
      return {
        step,
        code: 'not_seen',
        words: `The agent was not known yet: it was first seen at ${moment.firstSeen.toISOString()}.`,
      };
    case 'not_kept':
      return {
        step,
        code: 'not_kept',
        words: `The log of changes is kept since ${moment.keptSince.toISOString()}; of what was before, nothing can be said.`,
      };
  }
}

/** @param hasMore whether there are more agent events than were looked at */
export function eventsStep(moment: AtMoment, told: number, notTold: number, hasMore: boolean): Step {
  const step = 'agent_events';
  const only = hasMore ? ' There are more agent events; only the first of them are explained.' : '';
  if (moment.kind !== 'change') return { step, code: 'nothing_to_tell', words: `There is no change to tell anybody of.${only}` };
  if (told + notTold === 0) return { step, code: 'none', words: 'There is no agent event for this agent.' };
  const words = `${told} agent ${told === 1 ? 'event' : 'events'} for it, ${notTold} not for it.${only}`;
  return { step, code: told > 0 ? 'told' : 'none_told', words };
}

export function attemptsStep(states: readonly DeliveryState[]): Step {
  const step = 'attempts';
  if (states.length === 0) return { step, code: 'none', words: 'Nothing was to be sent.' };
  const counts = new Map<string, number>();
  for (const { status } of states) counts.set(status, (counts.get(status) ?? 0) + 1);
  const words = `${[...counts].map(([status, count]) => `${count} ${status}`).join(', ')}.`;
  return { step, code: counts.size === 1 ? states[0]!.status : 'mixed', words };
}

/** Why an agent event was told, as far as it was. */
export function reasonOfDelivery({ status, resending, waitingFor }: DeliveryState): Reason {
  switch (status) {
    case 'sending':
      return { code: 'sending', words: 'it is being sent' };
    case 'suspended':
      return { code: 'suspended', words: 'it waits because the agent event is suspended or paused: resume it' };
    case 'waiting':
      if (waitingFor?.reason === 'earlier') {
        return { code: 'earlier', words: `it waits for an earlier notification, ${waitingFor.deliveryId}` };
      }
      if (waitingFor?.reason === 'origin') return { code: 'origin', words: 'it waits because its origin is not sent to for now' };
      return { code: 'due', words: 'it waits for its turn' };
    case 'retrying':
      return { code: 'retrying', words: 'its attempts failed so far, and it is tried again' };
    case 'delivered':
      return { code: 'delivered', words: resending ? 'it was delivered, and is sent again' : 'it was delivered' };
    case 'failed':
      return { code: 'failed', words: 'every attempt failed until the retry window ended' };
    case 'dropped':
      return { code: 'dropped', words: 'it was dropped' };
  }
}

/** Why an agent event was not told. */
export function reasonAgainst(
  event: AgentEvent & { readonly createdAt: Date; readonly afterSequence: number },
  change: StatusChange,
): Reason {
  const eventType = eventTypeOf(change.agentStatus);
  if (event.eventType !== eventType) {
    return { code: 'other_event_type', words: `it is for ${event.eventType}, and the change was an ${eventType}` };
  }
  if (event.agentType !== null && event.agentType !== change.agentType) {
    return { code: 'other_agent_type', words: `it is for ${event.agentType} agents` };
  }
  if (event.agentId !== null ? change.sequence <= event.afterSequence : change.changedAt < event.createdAt) {
    return { code: 'added_later', words: 'it was added after the change' };
  }
  return { code: 'not_recorded', words: 'what became of it is not recorded, or it was added while the change was made' };
}
