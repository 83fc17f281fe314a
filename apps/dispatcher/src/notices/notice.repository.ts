import type { Pool } from 'pg';
import type { Notice } from '#contracts';
import { arrayOfPlain, arrayOfTexts } from '#database';
import type { Endpoint } from '../attempt/delivery.js';

/** A notice on its way to one notice event, taken in hand. */
export interface NoticeDelivery {
  readonly notice: Notice;
  /** What its webhook-id begins with. */
  readonly key: string;
  readonly noticeEventId: number;
  readonly clientId: number;
  /** Which taking in hand this is. */
  readonly claim: number;
  /** Attempts made. */
  readonly attempts: number;
  /** End of its window by the database's clock, in milliseconds of `performance.now()`. */
  readonly expiresAt: number;
  /** When it was taken, in milliseconds of `performance.now()`. */
  readonly claimedAt: number;
  /** Undefined: its notice event was deleted. */
  readonly url: string | undefined;
  readonly suspended: boolean;
}

/** Result of one delivery of a notice. */
export interface NoticeResult extends Pick<NoticeDelivery, 'noticeEventId' | 'claim'> {
  readonly noticeId: number;
  /** wait: nothing was sent; gone: 410, its notice event is suspended, and it waits for the resume. */
  readonly outcome: 'delivered' | 'retry' | 'gone' | 'failed' | 'dropped' | 'wait';
  /** Whether an attempt was made. */
  readonly attempted: boolean;
  /** Until it is looked at again, in milliseconds; null where it is over. */
  readonly delayMs: number | null;
  /** In words; null: none. */
  readonly error: string | null;
}

/** Which due deliveries are asked for. */
export interface AskedNotices {
  /** Clients after this one, and at most so many: they take turns. */
  readonly after: number;
  readonly clients: number;
  /** Clients that have as many in hand as they may. */
  readonly full: readonly number[];
  /** Most of one client. */
  readonly perClient: number;
  readonly leaseMs: number;
  readonly windowMs: number;
}

interface DueRow {
  /** Null: nothing is due. */
  id: number | null;
  key: string;
  type: string;
  at: Date;
  agent_event_id: number | null;
  data: object;
  notice_event_id: number;
  client_id: number;
  claim: number;
  attempts: number;
  expires_in_ms: number;
  url: string | null;
  suspended: boolean;
  last: number | null;
}

/** Deliveries of one client that a claim looks at. */
const MOST_LOOKED_AT = 100;
/** Until one is looked at again that waits for an earlier one, unless that ends before, in milliseconds. */
const BEHIND_EARLIER_MS = 5000;

/**
 * Goes from one client with notices to the next in the index, and looks at so many of each, so that one with many costs the others
 * nothing. What has to wait for an earlier one is put off, so that it does not stand in the way of what has not.
 */
const CLAIM = {
  name: 'dispatch_claim_notices',
  text: `
    with recursive walk (id, n) as (
      (select client_id, 1 from dispatch.notice_delivery where status = 'waiting' and client_id > $1 order by client_id limit 1)
      union all
      select (select d.client_id from dispatch.notice_delivery d
              where d.status = 'waiting' and d.client_id > walk.id order by d.client_id limit 1), n + 1
      from walk where walk.id is not null and n < $2),
    looked_at as materialized (
      select d.* from walk w
      cross join lateral (
        select d.notice_id, d.notice_event_id, d.agent_event_id, d.client_id, d.due_at from dispatch.notice_delivery d
        where d.client_id = w.id and d.client_id <> all ($3::bigint[]) and d.status = 'waiting' and d.due_at <= now()
        order by d.due_at limit $7 for update skip locked) d),
    placed as materialized (
      select l.*, not exists (select from dispatch.notice_delivery e
                              where e.status = 'waiting' and e.notice_event_id = l.notice_event_id
                                and e.agent_event_id = l.agent_event_id and e.notice_id < l.notice_id) as is_first
      from looked_at l),
    put_off as (
      update dispatch.notice_delivery d set due_at = now() + $8 * interval '1 ms'
      from placed p where not p.is_first and d.notice_id = p.notice_id and d.notice_event_id = p.notice_event_id),
    due as materialized (
      select notice_id, notice_event_id
      from (select p.*, row_number() over (partition by client_id order by due_at, notice_id) as place from placed p where is_first) p
      where place <= $4),
    claimed as (
      update dispatch.notice_delivery d
      set due_at = now() + $5 * interval '1 ms', leased_until = now() + $5 * interval '1 ms', claim = d.claim + 1
      from due where d.notice_id = due.notice_id and d.notice_event_id = due.notice_event_id
      returning d.*)
    select n.id, n.key, n.type, n.at, n.agent_event_id, n.data, c.notice_event_id, c.client_id, c.claim, c.attempts,
           extract(epoch from n.at - now())::double precision * 1000 + $6 as expires_in_ms,
           e.url, h.suspended_at is not null as suspended, turn.last
    from (select case when count(id) = $2 then max(id) end as last from walk) turn
    left join claimed c on true
    left join dispatch.notice n on n.id = c.notice_id
    left join subscription.notice_event e on e.id = c.notice_event_id
    left join dispatch.notice_event_health h on h.notice_event_id = c.notice_event_id
    order by n.id`,
};

export interface ClaimedNotices {
  readonly claimed: NoticeDelivery[];
  /** The last client that had its turn; undefined: there are no more after it. */
  readonly last: number | undefined;
}

/** Takes due notices in hand, the first of each agent event and url. */
export async function claimNotices(
  pool: Pool,
  { after, clients, full, perClient, leaseMs, windowMs }: AskedNotices,
): Promise<ClaimedNotices> {
  const claimedAt = performance.now();
  const { rows } = await pool.query<DueRow>({
    ...CLAIM,
    values: [
      ...[after, clients, arrayOfPlain(full, (id) => id), perClient, leaseMs, windowMs],
      ...[MOST_LOOKED_AT, BEHIND_EARLIER_MS],
    ],
  });
  const claimed = rows.flatMap((row) => (row.id === null ? [] : [noticeDeliveryOf({ ...row, id: row.id }, claimedAt)]));
  return { claimed, last: rows[0]!.last ?? undefined };
}

function noticeDeliveryOf(
  { id, type, at, agent_event_id, data, ...row }: DueRow & { id: number },
  claimedAt: number,
): NoticeDelivery {
  return {
    notice: { id, type, at, agent_event_id, data } as Notice,
    key: row.key,
    noticeEventId: row.notice_event_id,
    clientId: row.client_id,
    claim: row.claim,
    attempts: row.attempts,
    expiresAt: claimedAt + row.expires_in_ms,
    claimedAt,
    url: row.url ?? undefined,
    suspended: row.suspended,
  };
}

/**
 * Writes what became of those that are still in the same hand, and how their notice events do: the first failure since a success
 * begins a bad time, and one that has lasted long enough suspends. The next one
 * of the same agent event, which waited for one that is over, comes now. Where one is delivered, what waited for its retry comes now.
 */
const RECORD = {
  name: 'dispatch_record_notices',
  text: `
    with result as materialized (
      select * from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[], $5::boolean[], $6::double precision[], $7::text[])
        as r (notice_id, notice_event_id, claim, outcome, attempted, delay_ms, error)),
    written as (
      update dispatch.notice_delivery d
      set status = case when r.outcome in ('delivered', 'failed', 'dropped') then r.outcome else 'waiting' end,
          attempts = d.attempts + case when r.attempted then 1 else 0 end,
          due_at = now() + coalesce(r.delay_ms, 0) * interval '1 ms', leased_until = null, last_error = coalesce(r.error, d.last_error)
      from result r
      where d.notice_id = r.notice_id and d.notice_event_id = r.notice_event_id and d.claim = r.claim and d.status = 'waiting'
      returning d.notice_id, d.notice_event_id, d.agent_event_id, d.status, r.outcome, r.attempted),
    next as (
      update dispatch.notice_delivery d set due_at = now()
      from written w
      cross join lateral (
        select n.notice_id from dispatch.notice_delivery n
        where n.status = 'waiting' and n.notice_event_id = w.notice_event_id and n.agent_event_id = w.agent_event_id
          and n.notice_id > w.notice_id
        order by n.notice_id limit 1) n
      where w.status <> 'waiting' and d.notice_id = n.notice_id and d.notice_event_id = w.notice_event_id
        and d.status = 'waiting' and d.attempts = 0 and d.leased_until is null and d.due_at > now()),
    event as materialized (
      select notice_event_id, bool_or(outcome = 'delivered') as well, bool_or(outcome = 'gone') as gone
      from written where attempted group by notice_event_id),
    recovered as (
      delete from dispatch.notice_event_health h using event e
      where h.notice_event_id = e.notice_event_id and e.well and not e.gone and h.suspended_at is null
      returning h.notice_event_id),
    failing as (
      insert into dispatch.notice_event_health as h (notice_event_id, failing_since, suspended_at, suspended_reason)
      select notice_event_id, now(), case when gone then now() end, case when gone then 'gone' end
      from event where not well or gone order by notice_event_id
      on conflict (notice_event_id) do update
        set suspended_at = now(), suspended_reason = coalesce(excluded.suspended_reason, 'failing')
        where h.suspended_at is null
          and (excluded.suspended_reason is not null or h.failing_since <= now() - $8 * interval '1 ms')
      returning notice_event_id, suspended_at)
    select array(select notice_event_id from recovered) as recovered,
           array(select notice_event_id from failing where suspended_at is not null) as suspended`,
};

const BRING_FORWARD = {
  name: 'dispatch_bring_notices_forward',
  text: `
    update dispatch.notice_delivery set due_at = now()
    where notice_event_id = any ($1::bigint[]) and status = 'waiting' and due_at > now() and leased_until is null`,
};

/**
 * Writes what became of deliveries of notices.
 *
 * @param suspendAfterMs a notice event that has only failed for this long is suspended
 * @returns notice events that were suspended by this
 */
export async function recordNotices(pool: Pool, results: readonly NoticeResult[], suspendAfterMs: number): Promise<number[]> {
  const { rows } = await pool.query<{ recovered: number[]; suspended: number[] }>({
    ...RECORD,
    values: [
      arrayOfPlain(results, ({ noticeId }) => noticeId),
      arrayOfPlain(results, ({ noticeEventId }) => noticeEventId),
      arrayOfPlain(results, ({ claim }) => claim),
      arrayOfPlain(results, ({ outcome }) => outcome),
      arrayOfPlain(results, ({ attempted }) => attempted),
      arrayOfPlain(results, ({ delayMs }) => delayMs),
      arrayOfTexts(results, ({ error }) => error),
      suspendAfterMs,
    ],
  });
  const { recovered, suspended } = rows[0]!;
  if (recovered.length > 0) await pool.query({ ...BRING_FORWARD, values: [recovered] });
  return suspended;
}

/** Reads where notice events are to be notified now: see `readEndpoints`. */
export async function readNoticeEvents(pool: Pool, ids: readonly number[]): Promise<Map<number, Endpoint>> {
  const { rows } = await pool.query<{ id: number; url: string; suspended: boolean }>({
    name: 'dispatch_read_notice_events',
    text: `
      select e.id, e.url, h.suspended_at is not null as suspended
      from subscription.notice_event e left join dispatch.notice_event_health h on h.notice_event_id = e.id
      where e.id = any ($1::bigint[])`,
    values: [ids],
  });
  return new Map(rows.map(({ id, url, suspended }) => [id, { url, method: 'POST', suspended }]));
}

/**
 * Forgets notices that are older than this (milliseconds), a bounded number of them, and how notice events did that are gone.
 *
 * @returns how many notices went
 */
export async function forgetNotices(pool: Pool, retentionMs: number, most: number): Promise<number> {
  const { rowCount } = await pool.query(
    `delete from dispatch.notice where id in (
       select id from dispatch.notice where at < now() - $1 * interval '1 ms' order by at limit $2)`,
    [retentionMs, most],
  );
  await pool.query(`
    delete from dispatch.notice_event_health h
    where not exists (select from subscription.notice_event e where e.id = h.notice_event_id)`);
  return rowCount ?? 0;
}
