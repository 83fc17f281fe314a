import { millisecondsOf } from '#database';
import type { AgentState } from '../decision/presence-decision.js';

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
