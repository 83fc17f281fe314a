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
  /** As reported, in milliseconds since the epoch; undefined: when it was received, which the database says. */
  readonly occurredAt: number | undefined;
  /** Ended once it is committed. */
  readonly hop: Hop;
}

/** One agent's state as it was read and as it is to be written, with the changes between the two in order. */
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
export interface WriteOutcome {
  /** States of the agents that were written, by index, with the time of the change as the database says. */
  readonly written: ReadonlyMap<number, AgentState>;
  /** Current states, as far as known, of the agents whose writes lost to somebody else, by index: decide again. */
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
