import type { Pool } from 'pg';
import { arrayOfPlain, arrayOfTexts } from '#database';
import type { QueueKey } from './job.js';
import { PARKED_LOOK } from './queue.repository.js';

/** What became of one attempt, or of a delivery that ended without one. */
export interface AttemptRecord extends QueueKey {
  readonly changeId: string;
  /** From 1, going on over redeliveries. */
  readonly attempt: number;
  readonly attemptedAt: Date;
  readonly latencyMs: number;
  readonly httpStatus: number | null;
  readonly error: string | null;
  readonly response: string | null;
}

/** A delivery that is over. */
export interface Finish extends AttemptRecord {
  readonly outcome: 'delivered' | 'failed' | 'dropped';
}

/** A delivery that is tried again. */
export interface Postponement extends AttemptRecord {
  /** Milliseconds from now; undefined: its agent event is suspended, it is parked. */
  readonly delayMs: number | undefined;
}

/** The column's type ends there. */
const MAX_STORED_ATTEMPT = 32_767;

/** In the order of the key, in which everybody locks rows. A subquery, so that the functions beside it see that order. */
const RESULT = `
  (select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::uuid[], $5::smallint[], $6::timestamptz[], $7::integer[],
                        $8::smallint[], $9::text[], $10::text[], $11::text[])
     as r (lane, sequence, agent_event_id, change_id, attempt, attempted_at, latency_ms, http_status, error, response, extra)
   order by lane, sequence, agent_event_id) r`;
const ATTEMPT = 'agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome, http_status, error, response';

/**
 * Ends deliveries: takes them off the queue and logs their last attempt. A success counts whoever holds the lease, since it
 * cannot be undone; a failure only while the lease is ours. Returns the lanes that somebody waits in: `followed` is read from
 * the row as it is when the lock is had, and who follows sets it under the same lock, so either it is seen here or the
 * follower sees that the lane is free.
 */
const FINISH = {
  name: 'dispatch_finish',
  text: `
    with result as materialized (
      select r.*, dispatch.take_out(lane, sequence, agent_event_id, case when extra = 'delivered' then null else $12::uuid end) as taken
      from ${RESULT}),
    logged as (
      insert into dispatch.attempt as a (${ATTEMPT})
      select agent_event_id, change_id, attempt, attempted_at, latency_ms, extra, http_status, error, response
      from result where extra = 'delivered' or (taken).was_followed is not null
      on conflict (agent_event_id, change_id, attempt) do update
        set outcome = excluded.outcome, http_status = excluded.http_status, error = excluded.error, response = excluded.response
        where excluded.outcome = 'delivered'),
    well as (
      delete from dispatch.event_health
      where agent_event_id = any (array(select agent_event_id from result where extra = 'delivered')) and suspended_at is null)
    select distinct (taken).in_lane::text as lane from result where (taken).was_followed`,
};

/** @returns the lanes to promote */
export async function finish(pool: Pool, results: readonly Finish[], owner: string): Promise<string[]> {
  const values = [...columns(results), arrayOfPlain(results, ({ outcome }) => outcome), owner];
  const { rows } = await pool.query<{ lane: string }>({ ...FINISH, values });
  return rows.map(({ lane }) => lane);
}

/**
 * Ends a delivery whose result the database refuses, with as little as can be written of it. It counts whoever holds the lease,
 * for the attempt was made.
 *
 * @returns the lanes to promote
 */
export async function endUnstorable(
  pool: Pool,
  { lane, sequence, agentEventId, changeId, attempt }: AttemptRecord,
): Promise<string[]> {
  const { rows } = await pool.query<{ lane: string }>({
    name: 'dispatch_end_unstorable',
    text: `
      with result as materialized (select * from dispatch.take_out($1, $2, $3, null)),
      logged as (
        insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome, error)
        select $3, $4, least($5::integer, ${MAX_STORED_ATTEMPT}), clock_timestamp(), 0, 'failed', 'the result could not be stored'
        from result where was_followed is not null
        on conflict (agent_event_id, change_id, attempt) do update set outcome = excluded.outcome, error = excluded.error)
      select in_lane::text as lane from result where was_followed`,
    values: [lane, sequence, agentEventId, changeId, attempt],
  });
  return rows.map((row) => row.lane);
}

/** Has failed deliveries wait for their next attempt, and logs this one. Rows that are not ours any more are left alone. */
const POSTPONE = {
  name: 'dispatch_postpone',
  text: `
    with result as materialized (
      select r.*, dispatch.put_back(lane, sequence, agent_event_id, $12::uuid,
                                    now() + case when extra is null then ${PARKED_LOOK} else extra::double precision * interval '1 ms' end,
                                    1::smallint) as ours
      from ${RESULT})
    insert into dispatch.attempt (${ATTEMPT})
    select agent_event_id, change_id, attempt, attempted_at, latency_ms, 'retry', http_status, error, response
    from result where ours
    on conflict do nothing`,
};

export async function postpone(pool: Pool, results: readonly Postponement[], owner: string): Promise<void> {
  const values = [...columns(results), arrayOfPlain(results, ({ delayMs }) => delayMs?.toFixed(3)), owner];
  await pool.query({ ...POSTPONE, values });
}

/**
 * Agent events that have just failed: the first failure since a success begins their bad time, and one that has lasted long
 * enough suspends them.
 *
 * @returns those that were suspended by this
 */
export async function markFailing(pool: Pool, agentEventIds: readonly number[], suspendAfterMs: number): Promise<number[]> {
  const { rows } = await pool.query<{ agent_event_id: number; suspended_at: Date | null }>({
    name: 'dispatch_mark_failing',
    text: `
      insert into dispatch.event_health as h (agent_event_id, failing_since)
      select id, now() from (select distinct unnest($1::bigint[]) as id) e order by id
      on conflict (agent_event_id) do update set suspended_at = now(), suspended_reason = 'failing'
        where h.suspended_at is null and h.failing_since <= now() - $2 * interval '1 ms'
      returning agent_event_id, suspended_at`,
    values: [agentEventIds, suspendAfterMs],
  });
  return rows.filter((row) => row.suspended_at !== null).map((row) => row.agent_event_id);
}

/** Agent events that answered 410: contract §7.4. */
export async function suspendGone(pool: Pool, agentEventIds: readonly number[]): Promise<void> {
  await pool.query({
    name: 'dispatch_suspend_gone',
    text: `
      insert into dispatch.event_health as h (agent_event_id, failing_since, suspended_at, suspended_reason)
      select id, now(), now(), 'gone' from (select distinct unnest($1::bigint[]) as id) e order by id
      on conflict (agent_event_id) do update set suspended_at = now(), suspended_reason = 'gone'
        where h.suspended_at is null`,
    values: [agentEventIds],
  });
}

function columns(results: readonly AttemptRecord[]): string[] {
  return [
    arrayOfPlain(results, ({ lane }) => lane),
    arrayOfPlain(results, ({ sequence }) => sequence),
    arrayOfPlain(results, ({ agentEventId }) => agentEventId),
    arrayOfPlain(results, ({ changeId }) => changeId),
    arrayOfPlain(results, ({ attempt }) => attempt),
    arrayOfPlain(results, ({ attemptedAt }) => attemptedAt.toISOString()),
    arrayOfPlain(results, ({ latencyMs }) => latencyMs),
    arrayOfPlain(results, ({ httpStatus }) => httpStatus),
    arrayOfTexts(results, ({ error }) => error),
    arrayOfTexts(results, ({ response }) => response),
  ];
}
