import type { Pool } from 'pg';
import type { AgentKey } from '#contracts';
import { arrayOfPlain } from '#database';
import type { AgentState } from '../decision/presence-decision.js';
import { statesIn, statesOf, type StateColumns } from './agent-states.repository.js';
import type { AgentWrite, WriteOutcome } from './agent-write.js';
import { setAny } from './set-any.repository.js';
import { isUsual, setUsual } from './set-usual.repository.js';
import type { PositionMove } from './telemetry-position.repository.js';

const READ_STATES = {
  name: 'presence_read_states',
  text: `
    select ${statesOf('k.ord')}
    from unnest($1::bigint[], $2::bigint[]) with ordinality as k(client_id, agent_id, ord)
    cross join lateral (select * from presence.agent a where a.client_id = k.client_id and a.agent_id = k.agent_id limit 1) a`,
};

/**
 * Reads what is known of some agents, in one statement.
 *
 * @param keys distinct agents
 * @returns in the order of `keys`; undefined for a never-seen agent
 */
export async function readStates(pool: Pool, keys: readonly AgentKey[]): Promise<(AgentState | undefined)[]> {
  const states = new Array<AgentState | undefined>(keys.length).fill(undefined);
  const values = [arrayOfPlain(keys, (key) => key.clientId), arrayOfPlain(keys, (key) => key.agentId)];
  const { rows } = await pool.query<StateColumns>({ ...READ_STATES, rowMode: 'array', values });
  for (const [place, state] of statesIn(rows[0]!)) states[place] = state;
  return states;
}

/**
 * Writes what was decided where the agents are still as they were read: a change each of known agents, as nearly all are, by a
 * statement that does no more than that.
 *
 * @param writes of distinct agents
 * @param ownShards shards that this instance publishes itself
 * @param moves of the partitions that the items came from; none over HTTP
 * @throws PositionMovedError; nothing was written then
 */
export function compareAndSet(
  pool: Pool,
  writes: readonly AgentWrite[],
  ownShards: readonly number[],
  moves: readonly PositionMove[],
): Promise<WriteOutcome> {
  return writes.every(isUsual) ? setUsual(pool, writes, ownShards, moves) : setAny(pool, writes, ownShards, moves);
}

/** Makes the partitions of the days ahead. */
export async function addPartitions(pool: Pool): Promise<void> {
  await pool.query('select presence.add_partitions()');
}

/**
 * Drops the partitions beyond the retention (milliseconds).
 *
 * @throws Error where somebody reads them, such as pg_dump: they are left for the next time
 */
export async function dropPartitions(pool: Pool, retentionMs: number): Promise<void> {
  const { rows } = await pool.query<{ done: boolean }>(`select presence.drop_partitions($1 * interval '1 ms') as done`, [
    retentionMs,
  ]);
  if (!rows[0]!.done)
    throw new Error('partitions of presence.status_change beyond the retention are in use; they are dropped later');
}

/** Directory changes that are deleted at a time. */
const DROPPED_AT_ONCE = 5000;

/** Deletes directory changes beyond the retention (milliseconds), a bounded piece at a time. */
export async function dropDirectoryChanges(pool: Pool, retentionMs: number): Promise<void> {
  let dropped = DROPPED_AT_ONCE;
  while (dropped === DROPPED_AT_ONCE) {
    const { rows } = await pool.query<{ dropped: number }>(
      `select presence.drop_directory_changes(make_interval(secs => $1), $2) as dropped`,
      [retentionMs / 1000, DROPPED_AT_ONCE],
    );
    dropped = rows[0]!.dropped;
  }
}
