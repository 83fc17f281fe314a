import type { AgentKey, AgentStatus, EventSource, LoggedChange } from '#contracts';
import { millisecondsOf } from '#database';
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

const LOCAL = 1;
const AVAILABLE = 2;
const REMOVED = 4;

/**
 * Selects the states of agents `a`, each with its index `ord` in the caller's arrays, in SQL: one row of JSON columns instead of a row
 * an agent. Reading them is nearly all that a repeat costs, and the driver takes rows apart at several times JSON.parse's cost.
 */
export const statesOf = (ord: string): string => `
    json_agg(${ord}), json_agg(a.sequence), json_agg(a.name),
    json_agg((a.agent_type = 'local')::integer * ${LOCAL} + (a.agent_status = 'available')::integer * ${AVAILABLE}
      + (a.deleted_at is not null)::integer * ${REMOVED}),
    json_agg(${millisecondsOf('a.changed_at')})`;

/** Columns of {@link statesOf} in the same order of agents; null where there is none. */
export type StateColumns = [
  ords: number[] | null,
  sequences: number[],
  names: string[],
  flags: number[],
  changedAts: (number | null)[],
];

/** Reads {@link statesOf}: each state with the agent's index in the caller's arrays, from 0. */
export function statesIn([ords, sequences, names, flags, changedAts]: StateColumns): [place: number, state: AgentState][] {
  return (ords ?? []).map((ord, nth) => [
    ord - 1,
    {
      agentType: flags[nth]! & LOCAL ? 'local' : 'remote',
      name: names[nth]!,
      agentStatus: flags[nth]! & AVAILABLE ? 'available' : 'logged_out',
      sequence: sequences[nth]!,
      changedAt: changedAts[nth]!,
      removed: (flags[nth]! & REMOVED) !== 0,
    },
  ]);
}

/**
 * Computes as of when a change counts, in SQL: as reported, but not after its receipt, which is now by the database's clock (ADR 19).
 * Where the report did not say when it occurred, `ms` is infinity.
 */
export const asOf = (ms: string): string => `least(to_timestamp(${ms} / 1000), date_trunc('milliseconds', clock_timestamp()))`;

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
