import type { AgentKey, AgentStatus, EventSource, LoggedChange } from '#contracts';
import type { Hop } from '#tracing';
import type { AgentState } from '../decision/presence-decision.js';

/** A change that was decided and is not yet written. */
export interface DecidedChange {
  /** UUIDv7. */
  readonly id: string;
  readonly name: string;
  readonly agentStatus: AgentStatus;
  readonly eventSource: EventSource;
  readonly sequence: number;
  /** As reported, in milliseconds since the epoch; undefined: as of its receipt, which the database tells. */
  readonly occurredAt: number | undefined;
  /** Ended once it is committed. */
  readonly hop: Hop;
}

/** One agent's row as it was read and as it shall be, with the changes between the two in order. */
export interface AgentWrite extends AgentKey {
  /** Undefined for a never-seen agent. */
  readonly before: AgentState | undefined;
  readonly after: AgentState;
  readonly changes: readonly DecidedChange[];
}

/** A committed change that waits in the outbox to be published. */
export interface OutboxEntry extends LoggedChange {
  /** Shard of the outbox. */
  readonly shard: number;
}

/** What became of a batch of writes. */
export interface Outcome {
  /** The agents that were written as they are now, by index: when they changed is what the database says. */
  readonly written: ReadonlyMap<number, AgentState>;
  /** The writes that lost to somebody else, by index, with what is known of their agents now: decide again. */
  readonly lost: ReadonlyMap<number, AgentState | undefined>;
  /** The changes in shards that this instance publishes itself, those of an agent in sequence. */
  readonly committed: OutboxEntry[];
  /** The transaction that wrote; undefined where nothing was written. */
  readonly xid: string | undefined;
}

/**
 * Builds the entry of a change from what was written and what the database said of it.
 *
 * @param occurredAt in milliseconds since the epoch, as is `changedAt`
 */
export function toOutboxEntry(
  { clientId, agentId, after }: AgentWrite,
  { id, name, agentStatus, eventSource, sequence, hop }: DecidedChange,
  position: number,
  shard: number,
  occurredAt: number,
  changedAt: number,
): OutboxEntry {
  return {
    position,
    shard,
    id,
    clientId,
    agentId,
    agentType: after.agentType,
    name,
    agentStatus,
    eventSource,
    sequence,
    occurredAt,
    changedAt,
    traceparent: hop.traceparent,
  };
}
