import type { Pool } from 'pg';
import type { NotificationMethod, StatusChange } from '#contracts';
import { arrayOfPlain, arrayOfTexts, statusChangeColumns } from '#database';

/** Names a lane of redeliveries. */
export interface RedeliveryLane {
  readonly agentEventId: number;
  readonly agentId: number;
}

/** A delivery that is sent again, the first of its lane, and due. */
export interface Redelivery extends RedeliveryLane {
  readonly changeId: string;
  readonly clientId: number;
  readonly hash: number;
  readonly isReplay: boolean;
  /** Attempts made in this run of the schedule. */
  readonly attempts: number;
  /** Attempts made in earlier runs. */
  readonly attemptsBefore: number;
  /** End of the window by the database's clock, in milliseconds of `performance.now()`. */
  readonly expiresAt: number;
  readonly url: string;
  readonly method: NotificationMethod;
  readonly suspended: boolean;
  /** Whether its agent event is for all agents. */
  readonly isForAll: boolean;
  /** When it was read, in milliseconds of `performance.now()`. */
  readonly readAt: number;
  /** What is told; undefined when the change is older than the log. */
  readonly change: StatusChange | undefined;
}

/** What became of a redelivery. */
export interface RedeliveryResult extends RedeliveryLane {
  readonly changeId: string;
  readonly shard: number;
  readonly epoch: number;
  /** From 1, over every run of the schedule. */
  readonly attempt: number;
  /** What asked for it; null: a retry. */
  readonly trigger: 'redeliver' | 'replay' | null;
  readonly attemptedAt: Date;
  readonly latencyMs: number;
  /** gone: 410, its agent event is suspended, and it waits for the resume. */
  readonly outcome: 'delivered' | 'retry' | 'gone' | 'failed' | 'dropped';
  readonly httpStatus: number | null;
  readonly error: string | null;
  readonly response: string | null;
  /** Until the next attempt, in milliseconds; only for a retry. */
  readonly delayMs: number | null;
}

/** Which due redeliveries are asked for. */
export interface Asked {
  /** Shards of this instance, of so many. */
  readonly shards: readonly number[];
  readonly base: number;
  /** Agent events after this one, and at most so many: they take turns. */
  readonly after: number;
  readonly agentEvents: number;
  /** Agent events that are not asked for, such as those whose origin does not answer. */
  readonly paused: readonly number[];
  /** Lanes that are being worked on. */
  readonly out: readonly RedeliveryLane[];
  /** Most lanes of one agent event. */
  readonly perEvent: number;
}

/** What was found due. */
export interface DueRedeliveries {
  readonly redeliveries: Redelivery[];
  /** Agent events that were deleted: their redeliveries are to be let go. */
  readonly deleted: number[];
  /** Agent events that are suspended: of those only what has ended is found. */
  readonly suspended: number[];
  /** The last agent event that had its turn; undefined: there are no more after it. */
  readonly last: number | undefined;
}

/**
 * Goes from one agent event with redeliveries to the next in the index, so that one with many costs the others nothing. Those of a
 * suspended one wait, until their window ends.
 */
const DUE = {
  name: 'dispatch_due_redeliveries',
  text: `
    with recursive walk (id, n) as (
      (select agent_event_id, 1 from dispatch.redelivery_lane where agent_event_id > $1 order by agent_event_id limit 1)
      union all
      select (select l.agent_event_id from dispatch.redelivery_lane l where l.agent_event_id > walk.id order by l.agent_event_id limit 1),
             n + 1
      from walk where walk.id is not null and n < $2),
    turn as materialized (
      select w.id, w.n, e.id is null as deleted, e.url, e.method, e.agent_id is null as is_for_all, h.suspended_at is not null as suspended
      from walk w
      left join lateral (select e.id, e.url, e.method, e.agent_id from subscription.agent_event e where e.id = w.id limit 1) e on true
      left join lateral (select h.suspended_at from dispatch.event_health h where h.agent_event_id = w.id limit 1) h on true
      where w.id is not null)
    select t.id as agent_event_id, t.deleted, t.url, t.method, t.is_for_all, t.suspended, r.agent_id, r.change_id, r.client_id, r.hash,
           r.replay_id is not null as is_replay, r.attempts, r.attempts_before,
           (extract(epoch from r.expires_at - now()) * 1000)::double precision as expires_in_ms
    from turn t
    left join lateral (
      select l.client_id, l.hash, r.agent_id, r.change_id, r.replay_id, r.attempts, r.attempts_before, r.expires_at
      from (select * from dispatch.redelivery_lane l
            where l.agent_event_id = t.id and not t.deleted and t.id <> all ($3::bigint[]) and l.due_at <= now() and l.hash % $5 = any ($4::integer[])
              and not exists (select from unnest($6::bigint[], $7::bigint[]) as o (agent_event_id, agent_id)
                              where o.agent_event_id = t.id and o.agent_id = l.agent_id)
            order by l.due_at limit case when t.suspended then null else $8::integer end) l
      cross join lateral (
        select r.* from dispatch.redelivery r
        where r.agent_event_id = l.agent_event_id and r.agent_id = l.agent_id order by r.sequence limit 1) r
      where not t.suspended or r.expires_at <= now()
      limit $8) r on true
    order by t.n`,
};

interface DueRow {
  agent_event_id: number;
  deleted: boolean;
  url: string;
  method: NotificationMethod;
  suspended: boolean;
  is_for_all: boolean;
  agent_id: number | null;
  change_id: string;
  client_id: number;
  hash: number;
  is_replay: boolean;
  attempts: number;
  attempts_before: number;
  expires_in_ms: number;
}

export async function findDue(pool: Pool, asked: Asked): Promise<DueRedeliveries> {
  const readAt = performance.now();
  const { rows } = await pool.query<DueRow>({
    ...DUE,
    values: [
      asked.after,
      asked.agentEvents,
      arrayOfPlain(asked.paused, (id) => id),
      arrayOfPlain(asked.shards, (shard) => shard),
      asked.base,
      arrayOfPlain(asked.out, ({ agentEventId }) => agentEventId),
      arrayOfPlain(asked.out, ({ agentId }) => agentId),
      asked.perEvent,
    ],
  });
  const found = rows.filter((row) => row.agent_id !== null);
  const changes = await readChanges(pool, [...new Set(found.map((row) => row.change_id))]);
  const turns = new Set(rows.map((row) => row.agent_event_id));
  return {
    redeliveries: found.map((row) => ({
      agentEventId: row.agent_event_id,
      agentId: row.agent_id!,
      changeId: row.change_id,
      clientId: row.client_id,
      hash: row.hash,
      isReplay: row.is_replay,
      attempts: row.attempts,
      attemptsBefore: row.attempts_before,
      expiresAt: readAt + row.expires_in_ms,
      url: row.url,
      method: row.method,
      suspended: row.suspended,
      isForAll: row.is_for_all,
      readAt,
      change: changes.get(row.change_id),
    })),
    deleted: rows.filter(({ deleted }) => deleted).map((row) => row.agent_event_id),
    suspended: rows.filter(({ suspended }) => suspended).map((row) => row.agent_event_id),
    last: turns.size < asked.agentEvents ? undefined : rows.at(-1)!.agent_event_id,
  };
}

/** A statement of its own, since the log is partitioned: each change by its key. */
async function readChanges(pool: Pool, ids: readonly string[]): Promise<Map<string, StatusChange>> {
  if (ids.length === 0) return new Map();
  const { rows } = await pool.query<StatusChange>({
    name: 'dispatch_read_changes_again',
    text: `select ${statusChangeColumns('s')} from presence.status_change s where s.id = any ($1::uuid[])`,
    values: [arrayOfPlain(ids, (id) => id)],
  });
  return new Map(rows.map((change) => [change.id, change]));
}

/**
 * Writes what became of redeliveries.
 *
 * @param suspendAfterMs an agent event that has only failed for this long is suspended
 * @returns how many were written; the others' shards are another instance's now
 */
export async function recordRedeliveries(
  pool: Pool,
  owner: string,
  results: readonly RedeliveryResult[],
  suspendAfterMs: number,
): Promise<number> {
  const { rows } = await pool.query<{ written: number }>({
    name: 'dispatch_record_redeliveries',
    text: `select dispatch.record_redeliveries($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16 * interval '1 ms') as written`,
    values: [
      owner,
      arrayOfPlain(results, ({ agentEventId }) => agentEventId),
      arrayOfPlain(results, ({ agentId }) => agentId),
      arrayOfPlain(results, ({ changeId }) => changeId),
      arrayOfPlain(results, ({ shard }) => shard),
      arrayOfPlain(results, ({ epoch }) => epoch),
      arrayOfPlain(results, ({ attempt }) => attempt),
      arrayOfPlain(results, ({ trigger }) => trigger),
      arrayOfPlain(results, ({ attemptedAt }) => attemptedAt.toISOString()),
      arrayOfPlain(results, ({ latencyMs }) => latencyMs),
      arrayOfPlain(results, ({ outcome }) => outcome),
      arrayOfPlain(results, ({ httpStatus }) => httpStatus),
      arrayOfTexts(results, ({ error }) => error),
      arrayOfTexts(results, ({ response }) => response),
      arrayOfPlain(results, ({ delayMs }) => delayMs),
      suspendAfterMs,
    ],
  });
  return rows[0]!.written;
}

/**
 * Writes the hashes of agents with new redeliveries, a bounded number of them. A lane that is written in the same moment has its turn with
 * the next ones. @returns how many were found
 */
export async function fillHashes(
  pool: Pool,
  hashOf: (agent: { readonly clientId: number; readonly agentId: number }) => number,
  most: number,
): Promise<number> {
  const { rows } = await pool.query<{ agent_event_id: number; agent_id: number; client_id: number }>({
    name: 'dispatch_unhashed_redeliveries',
    text: `select agent_event_id, agent_id, client_id from dispatch.redelivery_lane where hash is null
           order by agent_event_id, agent_id limit $1`,
    values: [most],
  });
  if (rows.length === 0) return 0;
  await pool.query({
    name: 'dispatch_hash_redeliveries',
    text: `
      with found as materialized (
        select l.place, h.hash
        from unnest($1::bigint[], $2::bigint[], $3::integer[]) as h (agent_event_id, agent_id, hash)
        cross join lateral (
          select l.ctid as place from dispatch.redelivery_lane l
          where l.agent_event_id = h.agent_event_id and l.agent_id = h.agent_id and l.hash is null
          for update skip locked) l)
      update dispatch.redelivery_lane l set hash = found.hash
      from found where l.ctid = found.place`,
    values: [
      arrayOfPlain(rows, (row) => row.agent_event_id),
      arrayOfPlain(rows, (row) => row.agent_id),
      arrayOfPlain(rows, (row) => hashOf({ clientId: row.client_id, agentId: row.agent_id })),
    ],
  });
  return rows.length;
}

/** Lets the redeliveries of a deleted agent event go, so many lanes at a time. @returns how many lanes went */
export async function forgetRedeliveries(pool: Pool, agentEventId: number, most: number): Promise<number> {
  const { rows } = await pool.query<{ gone: number }>('select dispatch.forget_redeliveries($1, $2) as gone', [
    agentEventId,
    most,
  ]);
  return rows[0]!.gone;
}
