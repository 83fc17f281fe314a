import type { Pool } from 'pg';
import type { AgentStatus, AgentType, EventSource, NotificationMethod } from '#contracts';
import { arrayOfPlain } from '#database';
import { encodePairs } from '#webhook';
import type { DeliveryJob, QueueKey } from './job.js';

export type { Pool } from 'pg';

/** Who leases, and for how long. */
export interface Lease {
  /** UUID of this instance. */
  readonly owner: string;
  readonly ms: number;
}

/** A parked row is looked at again after this long, so that none is forgotten when a resume crosses with a claim. */
export const PARKED_LOOK = `interval '5 minutes'`;

/** Rows of the queue with where their notifications go; `source` has a key, and the columns that a job needs. */
const jobsOf = (source: string): string => `
  select q.lane, q.sequence, q.agent_event_id, q.change_id, q.client_id, q.attempts, q.attempts_before, q.expires_at,
         e.url, e.method, h.suspended_at is not null as suspended,
         q.lane <> dispatch.lane_of(q.client_id, q.agent_id, e.url) as strayed
  from ${source} q
  left join subscription.agent_event e on e.id = q.agent_event_id
  left join dispatch.event_health h on h.agent_event_id = q.agent_event_id`;
const ROW = 'lane, sequence, agent_event_id, change_id, client_id, agent_id, attempts, attempts_before, expires_at';
/** Whether a window has ended is the database's to say: its clock alone decides, here and in the claim. */
const JOB = `
  lane::text, sequence, agent_event_id, change_id, client_id, attempts, attempts_before,
  (extract(epoch from expires_at - now()) * 1000)::double precision as expires_in_ms, url, method, suspended, strayed`;

interface JobRow {
  lane: string;
  sequence: number;
  agent_event_id: number;
  change_id: string;
  client_id: number;
  attempts: number;
  attempts_before: number;
  expires_in_ms: number;
  url: string | null;
  method: NotificationMethod;
  suspended: boolean;
  strayed: boolean | null;
}

interface ChangeRow {
  id: string;
  agent_status: AgentStatus;
  agent_type: AgentType;
  event_source: EventSource;
  agent_id: number;
  name: string;
  occurred_at: Date;
}

/** Leased rows; those whose agent event has got another url since they were queued have to move first. */
export interface Claimed {
  readonly jobs: DeliveryJob[];
  readonly strayed: DeliveryJob[];
}

/**
 * Leases what is due, the longest due first: retries, rows that found no room when they were inserted, and rows of an
 * instance that crashed, whose leases are over. Rows that another instance is claiming are passed over. What is suspended
 * is parked instead, until its window ends.
 */
const CLAIM_DUE = {
  name: 'dispatch_claim_due',
  text: `
    with due as materialized (
      select ${ROW} from dispatch.queue where due_at <= now() order by due_at limit $1 for update skip locked),
    job as materialized (select *, suspended and expires_at > now() as parked from (${jobsOf('due')}) j),
    leased as materialized (
      select *, dispatch.lease(lane, sequence, agent_event_id, case when parked then null else $2::uuid end,
                               case when parked then least(expires_at, now() + ${PARKED_LOOK}) else now() + $3 * interval '1 ms' end) as done
      from job)
    select ${JOB} from leased where done and not parked`,
};

export async function claimDue(pool: Pool, limit: number, lease: Lease): Promise<Claimed> {
  const readAt = performance.now();
  const { rows } = await pool.query<JobRow>({ ...CLAIM_DUE, values: [limit, lease.owner, lease.ms] });
  return toClaimed(pool, rows, readAt, lease);
}

/** Promoted rows, and the lanes to ask for again, since they were rearranged meanwhile. */
export interface Promoted extends Claimed {
  readonly contended: string[];
}

/**
 * Leases the next of each lane that has no head any more: every row of its smallest sequence. Asked after the results that
 * freed the lanes were committed, since only a new snapshot sees what was queued behind them meanwhile. Two that promote one
 * lane at once are safe: the later one finds the rows due already. Who rearranges lanes (dispatch.hold_agents) raises the
 * version of the agent's cursor: as in the fan-out, a snapshot from before that is too old to choose a head by.
 *
 * The subqueries have limits so that each lane is looked up in the primary key, where an exists would be free to read the
 * whole queue. They stand apart from the locks: the locking query is evaluated again for a row that it waited for.
 */
const PROMOTE_LANES = {
  name: 'dispatch_promote_lanes',
  text: `
    with prior as materialized (
      select l.lane, f.sequence, c.client_id, c.agent_id, c.version
      from (select distinct unnest($1::bigint[]) as lane) l
      cross join lateral (
        select f.sequence, f.client_id, f.agent_id from dispatch.queue f where f.lane = l.lane order by f.lane, f.sequence limit 1) f
      join dispatch.agent_cursor c on c.client_id = f.client_id and c.agent_id = f.agent_id),
    held as materialized (
      select p.lane, p.sequence
      from prior p join dispatch.agent_cursor c on c.client_id = p.client_id and c.agent_id = p.agent_id
      where c.version = p.version
      order by c.client_id, c.agent_id for share of c),
    free as materialized (
      select h.lane, h.sequence from held h
      where (select a.sequence from dispatch.queue a where a.lane = h.lane and a.due_at is not null
             order by a.lane, a.sequence limit 1) is null),
    head as materialized (
      select q.* from (select * from free order by lane) f
      cross join lateral (
        select ${ROW} from dispatch.queue q where q.lane = f.lane and q.sequence = f.sequence and q.due_at is null
        order by q.agent_event_id for update) q),
    promoted as materialized (
      select *, dispatch.lease(lane, sequence, agent_event_id, $2::uuid, now() + $3 * interval '1 ms') as done
      from (${jobsOf('head')}) j)
    select ${JOB}, null::text as contended from promoted where done
    union all
    select null, null, null, null, null, null, null, null, null, null, null, null, p.lane::text
    from prior p where p.lane not in (select lane from held)`,
};

export async function promoteLanes(pool: Pool, lanes: readonly string[], lease: Lease): Promise<Promoted> {
  const readAt = performance.now();
  const { rows } = await pool.query<JobRow & { contended: string | null }>({
    ...PROMOTE_LANES,
    values: [lanes, lease.owner, lease.ms],
  });
  const promoted = rows.filter((row) => row.contended === null);
  return { ...(await toClaimed(pool, promoted, readAt, lease)), contended: rows.flatMap(({ contended }) => contended ?? []) };
}

/**
 * Gives leased rows back, each due after a delay of its own. Rows that are not ours any more are left alone.
 */
const RELEASE = {
  name: 'dispatch_release',
  text: `
    select dispatch.put_back(lane, sequence, agent_event_id, $5, now() + delay_ms * interval '1 ms', 0::smallint)
    from (select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::double precision[]) as g (lane, sequence, agent_event_id, delay_ms)
          order by lane, sequence, agent_event_id) g`,
};

export async function release(
  pool: Pool,
  rows: readonly (QueueKey & { readonly delayMs: number })[],
  owner: string,
): Promise<void> {
  await pool.query({
    ...RELEASE,
    values: [
      arrayOfPlain(rows, ({ lane }) => lane),
      arrayOfPlain(rows, ({ sequence }) => sequence),
      arrayOfPlain(rows, ({ agentEventId }) => agentEventId),
      arrayOfPlain(rows, ({ delayMs }) => delayMs),
      owner,
    ],
  });
}

/** Gives back whatever this instance still holds; the last statement of a graceful stop. */
export async function releaseAll(pool: Pool, owner: string): Promise<void> {
  await pool.query('update dispatch.queue set due_at = now(), lease_owner = null where lease_owner = $1', [owner]);
}

/** Moves the rows that wait for an agent event to the lanes of the url that it has now. */
export async function rehome(pool: Pool, agentEventId: number): Promise<void> {
  await pool.query('select dispatch.rehome($1)', [agentEventId]);
}

/** Milliseconds until the next row is due, negative when it is overdue; undefined when none is. One look into the index. */
export async function nextDueIn(pool: Pool): Promise<number | undefined> {
  const { rows } = await pool.query<{ ms: number | null }>({
    name: 'dispatch_next_due',
    text: `select (extract(epoch from min(due_at) - now()) * 1000)::double precision as ms from dispatch.queue where due_at is not null`,
  });
  return rows[0]?.ms ?? undefined;
}

/**
 * Lanes without a head, which a crash between a result and its promotion leaves behind. Goes through the lanes from `after`,
 * jumping from one to the next in the primary key, and looks at a bounded number of them. As in PROMOTE_LANES a limit has each
 * lane's head looked up there: an exists went through all rows that are due for each lane, which took seconds of a backlog.
 *
 * @returns the orphans, and where to go on; undefined at the end
 */
const FIND_ORPHANS = {
  name: 'dispatch_find_orphans',
  text: `
    with recursive walk as (
      (select lane from dispatch.queue where lane > $1 order by lane limit 1)
      union all
      select (select q.lane from dispatch.queue q where q.lane > walk.lane order by q.lane limit 1) from walk where walk.lane is not null),
    seen as materialized (select lane from walk where lane is not null limit $2)
    select coalesce(array_agg(lane::text) filter (
             where (select a.sequence from dispatch.queue a where a.lane = seen.lane and a.due_at is not null
                    order by a.lane, a.sequence limit 1) is null), '{}') as orphans,
           count(*)::integer as seen, max(lane)::text as last
    from seen`,
};

export async function findOrphanLanes(
  pool: Pool,
  after: string,
  limit: number,
): Promise<{ readonly orphans: string[]; readonly next: string | undefined }> {
  const { rows } = await pool.query<{ orphans: string[]; seen: number; last: string | null }>({
    ...FIND_ORPHANS,
    values: [after, limit],
  });
  const { orphans, seen, last } = rows[0]!;
  return { orphans, next: seen < limit ? undefined : (last ?? undefined) };
}

/** Rows of the queue as the statistics have it, which costs nothing, for the gauge. */
export async function estimateQueue(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ rows: number }>(
    `select greatest(n_live_tup, 0)::double precision as rows from pg_stat_user_tables where relid = 'dispatch.queue'::regclass`,
  );
  return rows[0]?.rows ?? 0;
}

/**
 * What is notified, of leased rows. A statement of its own, since the log is partitioned: PostgreSQL 18.4 crashes where a
 * statement that prunes partitions as it runs has to evaluate a row again that it waited for.
 */
async function readChanges(pool: Pool, ids: readonly string[]): Promise<Map<string, ChangeRow>> {
  const { rows } = await pool.query<ChangeRow>({
    name: 'dispatch_read_changes',
    text: `
      select id, agent_status, agent_type, event_source, agent_id, name, occurred_at
      from presence.status_change where id = any ($1::uuid[])`,
    values: [ids],
  });
  return new Map(rows.map((row) => [row.id, row]));
}

async function toClaimed(pool: Pool, rows: readonly JobRow[], readAt: number, lease: Lease): Promise<Claimed> {
  const jobs: DeliveryJob[] = [];
  const strayed: DeliveryJob[] = [];
  if (rows.length === 0) return { jobs, strayed };
  const changes = await readChanges(pool, [...new Set(rows.map((row) => row.change_id))]);
  for (const row of rows) (row.strayed ? strayed : jobs).push(toJob(row, changes.get(row.change_id), readAt, lease));
  return { jobs, strayed };
}

function toJob(row: JobRow, change: ChangeRow | undefined, readAt: number, lease: Lease): DeliveryJob {
  return {
    lane: row.lane,
    sequence: row.sequence,
    agentEventId: row.agent_event_id,
    changeId: row.change_id,
    clientId: row.client_id,
    endpoint: row.url === null ? undefined : { url: row.url, method: row.method, suspended: row.suspended },
    readAt,
    change: change && {
      pairs: encodePairs({
        agentStatus: change.agent_status,
        agentType: change.agent_type,
        eventSource: change.event_source,
        agentId: change.agent_id,
        name: change.name,
      }),
      occurredAt: change.occurred_at,
    },
    attempts: row.attempts,
    attemptsBefore: row.attempts_before,
    expiresAt: readAt + row.expires_in_ms,
    leasedUntil: readAt + lease.ms,
  };
}
