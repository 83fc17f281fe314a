import type { AgentKey, AgentStatus, EventSource, StatusChange } from '#contracts';
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

/** A change that was committed, and waits in the outbox to be published. */
export interface CommittedChange {
  /** Of its row in the log and in the outbox. */
  readonly position: number;
  /** Of the outbox. */
  readonly shard: number;
  readonly change: StatusChange;
}

/** What became of a batch of writes. */
export interface Outcome {
  /** The agents that were written as they are now, by index: when they changed is what the database says. */
  readonly written: ReadonlyMap<number, AgentState>;
  /** The writes that lost to somebody else, by index, with what is known of their agents now: decide again. */
  readonly lost: ReadonlyMap<number, AgentState | undefined>;
  /** The changes in shards that this instance publishes itself, those of an agent in sequence. */
  readonly committed: CommittedChange[];
  /** The transaction that wrote; undefined where nothing was written. */
  readonly xid: string | undefined;
}

/** A change as it is published, from what was written and what the database said of it; times in milliseconds since the epoch. */
export function toCommitted(
  { clientId, agentId, after }: AgentWrite,
  { id, name, agentStatus, eventSource, sequence, hop }: DecidedChange,
  told: { readonly position: number; readonly shard: number; readonly occurredAt: number; readonly changedAt: number },
): CommittedChange {
  return {
    position: told.position,
    shard: told.shard,
    change: {
      id,
      clientId,
      agentId,
      agentType: after.agentType,
      name,
      agentStatus,
      eventSource,
      sequence,
      occurredAt: new Date(told.occurredAt),
      changedAt: new Date(told.changedAt),
      traceparent: hop.traceparent,
    },
  };
}
