import type { BatchedCache } from '../attempt/batched-cache.js';
import type { Endpoint } from '../attempt/delivery.js';
import type { Change, EntryWork } from '../lanes/agent-work.js';
import type { Plan } from './plan.repository.js';

/** Takes over what a plan has read of agent events. @returns the agent events that each change is to be notified to, by its id */
export function eventsByChange(
  plans: readonly Plan[],
  endpoints: BatchedCache<Endpoint | undefined>,
): ReadonlyMap<string, readonly number[]> {
  const planned = new Map<string, number[]>();
  for (const plan of plans) {
    for (const { changeId, agentEventId, ...endpoint } of plan.deliveries) {
      endpoints.offer(agentEventId, endpoint, plan.readAt);
      const events = planned.get(changeId);
      if (events) events.push(agentEventId);
      else planned.set(changeId, [agentEventId]);
    }
  }
  return planned;
}

/** Makes the first attempts of a change. */
export function entriesOf(change: Change, agentEventIds: readonly number[]): EntryWork[] {
  return agentEventIds.map((agentEventId) => ({ sequence: change.sequence, agentEventId, change, state: 'waiting' }));
}
