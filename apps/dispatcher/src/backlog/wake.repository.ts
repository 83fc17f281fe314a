import type { Pool } from 'pg';

/** Rows of agents that one step wakes at most. */
const PAGE = 500;
/** A wake is worked off when it is older than this, in milliseconds: see `dispatch.step_wake`, which waits for 250. */
export const WAKE_AFTER_MS = 260;

/**
 * Works off a bounded part of one wake: what is behind for an agent event that was changed, deleted, suspended or resumed, and what
 * sleeps beside it, becomes due. Any instance may, whoever has the agents.
 *
 * @returns how many rows became due, or went with their agent event; undefined: there is nothing to wake
 */
export async function stepWake(pool: Pool, page = PAGE): Promise<number | undefined> {
  const { rows } = await pool.query<{ woken: number | null }>({
    name: 'dispatch_step_wake',
    text: 'select dispatch.step_wake($1) as woken',
    values: [page],
  });
  return rows[0]!.woken ?? undefined;
}
