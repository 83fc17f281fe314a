import type { AgentType } from '#contracts';
import type { Source } from './delivery-sources.repository.js';
import type { DeliveryStatus } from './delivery-state.js';

/** What deliveries are listed by: contract §3. Pure. */
export interface DeliveryFilter {
  /** Any where it is absent. */
  readonly statuses?: readonly DeliveryStatus[] | undefined;
  readonly agentEventId?: number | undefined;
  readonly agentId?: number | undefined;
  readonly agentType?: AgentType | undefined;
  /** Of changes that were made then or later. */
  readonly since?: Date | undefined;
  /** Of changes that were made before. */
  readonly until?: Date | undefined;
}

/** Where deliveries of some statuses are found, and the outcome of an attempt that they have; null: any, or none. */
export interface Search {
  readonly sources: readonly Source[];
  readonly outcomes: readonly string[] | null;
}

/**
 * Decides which sources to search, so that no log is read for what a small table holds.
 *
 * @param isOutage whether a great many rows are behind
 */
export function searchOf({ statuses, agentId }: DeliveryFilter, isOutage: boolean): Search {
  const wanted = new Set<DeliveryStatus>(statuses ?? ['delivered', 'sending', 'waiting']);
  const has = (...any: readonly DeliveryStatus[]): boolean => any.some((status) => wanted.has(status));
  const sources: Source[] = [];
  const outcomes = statuses === undefined ? null : outcomesOf(wanted);
  if (has('delivered', 'failed', 'dropped')) {
    if (agentId !== undefined) sources.push('attemptedOfAgent');
    else sources.push(has('delivered') ? 'attempted' : 'unsuccessful');
  }
  if (has('sending')) sources.push('unplanned');
  if (has('waiting', 'suspended')) sources.push(isOutage ? 'behindByLog' : 'behind');
  else {
    if (has('retrying')) sources.push('retried');
    if (has('sending')) sources.push('spilt');
  }
  if (has('waiting', 'suspended', 'retrying')) sources.push('sentAgain');
  return { sources, outcomes };
}

/** Lists the attempt outcomes that finished deliveries of some statuses can have. */
function outcomesOf(wanted: ReadonlySet<DeliveryStatus>): string[] {
  const outcomes: string[] = (['delivered', 'failed', 'dropped'] as const).filter((status) => wanted.has(status));
  // What was last tried without success and is tried no more counts as dropped.
  return wanted.has('dropped') ? [...outcomes, 'retry'] : outcomes;
}
