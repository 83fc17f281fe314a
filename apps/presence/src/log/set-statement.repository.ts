import type { Pool } from 'pg';
import { arrayOfPlain, arrayOfTexts } from '#database';
import type { AgentWrite } from './agent-write.js';
import { assertMoved, valuesOfMoves, type PositionMove } from './telemetry-position.repository.js';

interface NamedText {
  readonly name: string;
  readonly text: string;
}

/** A statement that sets agents and logs and queues their changes, in two forms: by itself, and with positions that move with it. */
export interface SetStatement {
  readonly alone: NamedText;
  readonly moving: NamedText;
}

/** @param textOf the text of either form */
export function setStatement(name: string, textOf: (withPositions: boolean) => string): SetStatement {
  return { alone: { name, text: textOf(false) }, moving: { name: `${name}_at`, text: textOf(true) } };
}

/**
 * The columns that every such statement ends with, in SQL.
 *
 * @param changes those that were queued, with their shards
 * @param ownShards number of the parameter with the caller's shards
 */
export const commonColumns = (
  withPositions: boolean,
  changes: string,
  ownShards: number,
): string => `pg_current_xact_id_if_assigned()::text as xid,
           ${withPositions ? '(select count(*) from moved)' : '0'} as moved,
           (select count(pg_notify('rollcall_outbox', ''))
            from (select 1 from ${changes} where shard <> all ($${ownShards}::smallint[]) limit 1) of_others) as notified`;

/** Writes the agents as they shall be: the first six parameters of every such statement. */
export function valuesOfAgents(writes: readonly AgentWrite[]): string[] {
  return [
    arrayOfPlain(writes, (write) => write.clientId),
    arrayOfPlain(writes, (write) => write.agentId),
    arrayOfPlain(writes, ({ after }) => after.agentType),
    arrayOfTexts(writes, ({ after }) => after.name),
    arrayOfPlain(writes, ({ after }) => after.agentStatus),
    arrayOfPlain(writes, ({ after }) => after.sequence),
  ];
}

/**
 * Runs the form that the moves ask for.
 *
 * @param values all parameters before those of the moves
 * @throws PositionMovedError; nothing was written then
 */
export async function runSetStatement<Columns>(
  pool: Pool,
  { alone, moving }: SetStatement,
  values: readonly string[],
  moves: readonly PositionMove[],
): Promise<Columns & { readonly xid: string | null }> {
  const query =
    moves.length > 0 ? { ...moving, values: [...values, ...valuesOfMoves(moves)] } : { ...alone, values: [...values] };
  const { rows } = await pool.query<Columns & { readonly xid: string | null; readonly moved: number }>(query);
  assertMoved(moves, rows[0]!.moved);
  return rows[0]!;
}
