import type { Pool } from 'pg';
import type { AgentKey } from '#contracts';

/**
 * A transaction is reported once: when it is visible now and was not in the snapshot before, which is to say that it began later,
 * or was under way. Both are looked up by the index, so that an old transaction that is never ended, in whatever database of the
 * server, does not have all that came after it read again. What may be gone already was visible in the horizon's snapshot: it
 * was in ours too if ours is of later.
 */
const READ_RECENT_WRITES = {
  name: 'presence_read_recent_writes',
  text: `
    with recent as (
      select xid, client_ids, agent_ids from presence.recent_write
      where xid >= pg_snapshot_xmax($1::pg_snapshot) and xid < pg_snapshot_xmax(pg_current_snapshot())
      union all
      select xid, client_ids, agent_ids from presence.recent_write
      where xid = any (array(select pg_snapshot_xip($1::pg_snapshot)))
    )
    select pg_current_snapshot()::text, pg_postmaster_start_time()::text,
      coalesce((
        select gone_at = moved_at and pg_snapshot_xmax(gone) <= pg_snapshot_xmax($1::pg_snapshot) and not exists (
          select from pg_snapshot_xip($1::pg_snapshot) as under_way
          where under_way < pg_snapshot_xmax(gone) and pg_visible_in_snapshot(under_way, gone))
        from presence.recent_write_horizon), false),
      (select json_agg(json_build_array(xid::text, client_ids, agent_ids)) from recent)`,
};

type RecentWriteColumns = [
  snapshot: string,
  server: string,
  isComplete: boolean,
  writes: [xid: string, clientIds: number[], agentIds: number[]][] | null,
];

/** Lists the agents that were written by transactions committed between two snapshots. */
export interface RecentlyWritten {
  /** Of now, as PostgreSQL writes it: `xmin:xmax:xip_list`. */
  readonly snapshot: string;
  /** Changes with the server that answers, whose transactions may be others. */
  readonly server: string;
  /** False where more may have been written than is told: nothing is known of the time since the snapshot before. */
  readonly isComplete: boolean;
  readonly writes: readonly { readonly xid: string; readonly agents: readonly AgentKey[] }[];
}

/**
 * Reads which agents were written since a snapshot.
 *
 * @param since the snapshot before; undefined where there is none
 */
export async function readRecentWrites(pool: Pool, since: string | undefined): Promise<RecentlyWritten> {
  const { rows } = await pool.query<RecentWriteColumns>({ ...READ_RECENT_WRITES, rowMode: 'array', values: [since ?? null] });
  const [snapshot, server, isComplete, writes] = rows[0]!;
  return {
    snapshot,
    server,
    isComplete,
    writes: (writes ?? []).map(([xid, clientIds, agentIds]) => ({
      xid,
      agents: clientIds.map((clientId, nth) => ({ clientId, agentId: agentIds[nth]! })),
    })),
  };
}

/**
 * Moves the horizon on, unless somebody just did, and deletes what lies behind it: what was visible at the last move, so whoever
 * looked since then misses nothing. A version that knows nothing of `gone` may have moved it since, and deleted more than that
 * says: then it begins anew. `kept_from` is for those versions, which believe nothing while an older transaction is under way.
 *
 * @param intervalMs least time between two moves, in milliseconds
 */
export async function dropOldWrites(pool: Pool, intervalMs: number): Promise<void> {
  await pool.query(
    `with moved as (
       insert into presence.recent_write_horizon as h (kept_from, next_kept_from, moved_at, gone, gone_next, gone_at)
       select pg_snapshot_xmax(now_visible), pg_snapshot_xmax(now_visible), now(), now_visible, now_visible, now()
       from pg_current_snapshot() as now_visible
       on conflict (only_one) do update
         set (kept_from, gone) = (
               select greatest(h.kept_from, pg_snapshot_xmax(seen)), seen
               from (select case when h.gone_at = h.moved_at then h.gone_next else excluded.gone_next end) as s (seen)),
             next_kept_from = excluded.next_kept_from, gone_next = excluded.gone_next,
             moved_at = excluded.moved_at, gone_at = excluded.gone_at
         where h.moved_at <= excluded.moved_at - make_interval(secs => $1)
       returning gone
     )
     delete from presence.recent_write using moved where xid < pg_snapshot_xmax(gone) and pg_visible_in_snapshot(xid, gone)`,
    [(intervalMs / 1000) * 0.9], // timers are not exact
  );
}

/** Tells whether a transaction had been committed when a snapshot was taken; of one that was rolled back it says so too. */
export function isInSnapshot(xid: string, snapshot: string): boolean {
  const [xmin, xmax, underWay] = snapshot.split(':') as [string, string, string];
  if (BigInt(xid) < BigInt(xmin)) return true;
  return BigInt(xid) < BigInt(xmax) && !underWay.split(',').includes(xid);
}
