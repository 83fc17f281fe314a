import { nameFieldOf, type AgentStatus, type AgentType, type FieldErrors, type TelemetryItem } from '#contracts';

/** What is known of an agent: one row of `presence.agent`. */
export interface AgentState {
  readonly agentType: AgentType;
  readonly name: string;
  readonly agentStatus: AgentStatus;
  /** Changes so far. */
  readonly sequence: number;
  /**
   * As of when it last changed, in milliseconds since the epoch: `occurred_at`, or the time of receipt where that was earlier
   * or all that was known. Null while there was no change.
   */
  readonly changedAt: number | null;
  /** Removed from the directory; it comes back when it reports again. */
  readonly removed: boolean;
}

/** What one telemetry item does to an agent. `state` is the agent after it: the very object from before where nothing is to be written. */
export type Decision =
  | { readonly result: 'changed' | 'unchanged' | 'stale'; readonly state: AgentState }
  | { readonly result: 'rejected'; readonly errors: FieldErrors };

/**
 * Applies the dedup rule: contract §4. Pure. In this order:
 *
 * 1. An agent that is neither known nor named, or is of the other type, is rejected. (A removed agent may come back as the other type.)
 * 2. What is strictly older than the last change is stale, also where it repeats the current status; it takes over nothing.
 *    What does not say when it occurred is never older: ADR 19.
 * 3. What repeats the current status changes nothing, but a new name is taken over and a removed agent comes back.
 * 4. Everything else is a change, and raises the sequence by one.
 *
 * @param state undefined for a never-seen agent, which counts as logged out
 */
export function decideTelemetry(state: AgentState | undefined, item: TelemetryItem): Decision {
  const { occurredAt = Infinity, receivedAt } = item;
  if (state !== undefined && state.changedAt !== null && occurredAt < state.changedAt && isOfType(state, item)) {
    return { result: 'stale', state };
  }
  const known = state === undefined || state.removed ? comingAgent(state, item) : presentAgent(state, item);
  if ('errors' in known) return { result: 'rejected', errors: known.errors };
  if (known.agentStatus === item.agentStatus) return { result: 'unchanged', state: known };
  const changedAt = Math.max(known.changedAt ?? -Infinity, Math.min(occurredAt, receivedAt));
  return { result: 'changed', state: { ...known, agentStatus: item.agentStatus, sequence: known.sequence + 1, changedAt } };
}

/** A removed agent is of no type until it comes back. */
function isOfType(state: AgentState, item: TelemetryItem): boolean {
  return state.removed || state.agentType === item.agentType;
}

/** An agent that is not in the directory as it enters it, before its status is looked at. */
function comingAgent(state: AgentState | undefined, item: TelemetryItem): AgentState | { errors: FieldErrors } {
  const name = item.name ?? (state?.agentType === item.agentType ? state.name || undefined : undefined);
  if (name === undefined) {
    const when = state === undefined ? 'the first time an agent is seen' : `when a removed agent comes back as ${item.agentType}`;
    return { errors: { [nameFieldOf(item.agentType)]: [`is required ${when}`] } };
  }
  return {
    agentType: item.agentType,
    name,
    agentStatus: 'logged_out',
    sequence: state?.sequence ?? 0,
    changedAt: state?.changedAt ?? null,
    removed: false,
  };
}

function presentAgent(state: AgentState, item: TelemetryItem): AgentState | { errors: FieldErrors } {
  if (state.agentType !== item.agentType) return { errors: { agent_type: [`this agent is ${state.agentType}`] } };
  return item.name === undefined || item.name === state.name ? state : { ...state, name: item.name };
}
