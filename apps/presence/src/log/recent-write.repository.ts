import type { Pool } from 'pg';
import type { AgentKey } from '#contracts';

/**
 * A transaction is reported once: when it is visible now and was not in the snapshot before. The upper bound, which every
 * visible transaction meets, is what tells the planner to go by the index.
 */
const READ_RECENT_WRITES = {
  name: 'presence_read_recent_writes',
  text: `
    select pg_current_snapshot()::text, pg_snapshot_xmin(pg_current_snapshot())::text, pg_postmaster_start_time()::text,
      coalesce((select kept_from <= pg_snapshot_xmin($1::pg_snapshot) from presence.recent_write_horizon), false),
      (select json_agg(json_build_array(xid::text, client_ids, agent_ids)) from presence.recent_write
       where xid >= pg_snapshot_xmin($1::pg_snapshot) and xid < pg_snapshot_xmax(pg_current_snapshot())
         and not pg_visible_in_snapshot(xid, $1::pg_snapshot))`,
};

type RecentWriteColumns = [
  snapshot: string,
  oldestRunning: string,
  server: string,
  isComplete: boolean,
  writes: [xid: string, clientIds: number[], agentIds: number[]][] | null,
];

/** Whom transactions wrote that were committed between two snapshots. */
export interface RecentlyWritten {
  /** Of now, as PostgreSQL writes it: `xmin:xmax:xip_list`. */
  readonly snapshot: string;
  /** Older transactions have ended. */
  readonly oldestRunning: bigint;
  /** Changes with the server that answers, whose transactions may be others. */
  readonly server: string;
  /** False where more may have been written than is told: nothing is known of the time since the snapshot before. */
  readonly isComplete: boolean;
  readonly writes: readonly { readonly xid: string; readonly agents: readonly AgentKey[] }[];
}

/** @param since the snapshot before; undefined where there is none */
export async function readRecentWrites(pool: Pool, since: string | undefined): Promise<RecentlyWritten> {
  const { rows } = await pool.query<RecentWriteColumns>({ ...READ_RECENT_WRITES, rowMode: 'array', values: [since ?? null] });
  const [snapshot, oldestRunning, server, isComplete, writes] = rows[0]!;
  return {
    snapshot,
    oldestRunning: BigInt(oldestRunning),
    server,
    isComplete,
    writes: (writes ?? []).map(([xid, clientIds, agentIds]) => ({
      xid,
      agents: clientIds.map((clientId, nth) => ({ clientId, agentId: agentIds[nth]! })),
    })),
  };
}

/**
 * Moves the horizon on, unless somebody just did, and deletes what lies behind it. It moves to where the last move saw the
 * oldest running transaction, so whoever looked since then misses nothing.
 *
 * @param intervalMs least time between two moves, in milliseconds
 */
export async function dropOldWrites(pool: Pool, intervalMs: number): Promise<void> {
  await pool.query(
    `with moved as (
       insert into presence.recent_write_horizon as h (kept_from, next_kept_from, moved_at)
       select xmin, xmin, now() from pg_snapshot_xmin(pg_current_snapshot()) as xmin
       on conflict (only_one) do update
         set kept_from = h.next_kept_from, next_kept_from = excluded.next_kept_from, moved_at = excluded.moved_at
         where h.moved_at <= excluded.moved_at - make_interval(secs => $1)
       returning kept_from
     )
     delete from presence.recent_write where xid < (select kept_from from moved)`,
    [(intervalMs / 1000) * 0.9], // timers are not exact
  );
}
