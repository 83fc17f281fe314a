import type { Pool, PoolClient } from 'pg';
import type { AgentStatus, AgentType, EventSource, NotificationMethod } from '#contracts';
import { arrayOfPlain } from '#database';
import { encodePairs } from '#webhook';
import type { Change } from '../lanes/agent-work.js';
import { leaseHeld } from '../lanes/shard-lease.repository.js';
import type { Tenure } from '../lanes/shard-leases.js';
import { ATTEMPT, attemptColumns, leaseValues } from '../record/record.repository.js';
import type { RowOutcome } from '../record/snapshot.js';

/**
 * The head of a row `b` of an agent event `e` under an agent's cursor `c`: the first change at or above a sequence that it matches
 * and that is not finished. A change of the agent event's type holds from `until_sequence` on. The ids leave out partitions that are
 * older than anything it can wait for.
 */
const headOf = (from: string, windowMs: string): string => `
  left join lateral (
    select s.id, s.agent_status, s.agent_type, s.event_source, s.agent_id, s.name, s.occurred_at, s.sequence,
           (extract(epoch from s.changed_at - now()) * 1000)::double precision + ${windowMs} as expires_in_ms
    from presence.status_change s
    where s.client_id = b.client_id and s.agent_id = b.agent_id and s.sequence >= ${from} and s.sequence <= c.last_sequence
      and s.id >= presence.uuid_v7_floor(b.since - ${windowMs} * interval '1 ms' - interval '1 hour')
      and case s.agent_status when 'available' then 'agent-login' else 'agent-logout' end
        = case when s.sequence <= b.until_sequence then b.event_type else e.event_type end
      and (e.agent_type is null or e.agent_type = s.agent_type)
      and (e.until_sequence is null or s.sequence <= e.until_sequence)
      and not exists (
        select from dispatch.attempt t
        where t.agent_event_id = b.agent_event_id and t.change_id = s.id and t.outcome in ('delivered', 'failed', 'dropped') offset 0)
    order by s.position limit 1) s on true`;

const HEAD =
  's.id as change_id, s.agent_status, s.agent_type, s.event_source, s.name, s.occurred_at, s.sequence, s.expires_in_ms';

interface HeadLine {
  change_id: string | null;
  agent_status: AgentStatus;
  agent_type: AgentType;
  event_source: EventSource;
  agent_id: number;
  name: string;
  occurred_at: Date;
  sequence: number;
  expires_in_ms: number;
}

/** @param readAt when the statement began, in milliseconds of `performance.now()` */
function headOfLine(line: HeadLine, readAt: number): Change | undefined {
  if (line.change_id === null) return undefined;
  return {
    id: line.change_id,
    sequence: line.sequence,
    pairs: encodePairs({
      agentId: line.agent_id,
      agentStatus: line.agent_status,
      agentType: line.agent_type,
      eventSource: line.event_source,
      name: line.name,
    }),
    occurredAt: line.occurred_at,
    expiresAt: readAt + line.expires_in_ms,
  };
}

/** A row of an agent that has something due. */
export interface BehindRow {
  readonly agentEventId: number;
  readonly clientId: number;
  readonly agentId: number;
  readonly hash: number;
  readonly next: number;
  readonly version: number;
  readonly attempts: number;
  readonly isDue: boolean;
  /** Undefined: the agent event is deleted. */
  readonly endpoint:
    | { readonly url: string; readonly method: NotificationMethod; readonly suspended: boolean; readonly unwell: boolean }
    | undefined;
  /** Of what is due; undefined where nothing is left to send. */
  readonly head: Change | undefined;
  readonly cursor: number;
}

/** A place in the order of what is due. */
export interface DuePlace {
  readonly dueAt: string;
  readonly agentEventId: number;
  readonly agentId: number;
}

export const FIRST_PLACE: DuePlace = { dueAt: '-infinity', agentEventId: 0, agentId: 0 };

export interface DueQuery {
  readonly base: number;
  readonly shards: readonly number[];
  /** Agent events that are left alone for now. */
  readonly paused: readonly number[];
  readonly busyClients: readonly number[];
  readonly after: DuePlace;
  readonly limit: number;
  readonly windowMs: number;
}

interface DueLine extends HeadLine {
  agent_event_id: number;
  client_id: number;
  hash: number;
  next_sequence: number;
  version: number;
  attempts: number;
  due: boolean;
  url: string | null;
  method: NotificationMethod;
  suspended: boolean;
  unwell: boolean;
  last_sequence: number;
  due_at: string;
}

/** Rows that are due, in turn, with everything else that is behind for their agents. */
const DUE = {
  name: 'dispatch_due',
  text: `
    with due as materialized (
      select b.client_id, b.agent_id, b.due_at, b.agent_event_id from dispatch.behind b
      where b.due_at <= now() and b.hash % $1::integer = any ($2::integer[])
        and b.agent_event_id <> all ($3::bigint[]) and b.client_id <> all ($4::bigint[])
        and (b.due_at, b.agent_event_id, b.agent_id) > ($5::timestamptz, $6::bigint, $7::bigint)
      order by b.due_at, b.agent_event_id, b.agent_id limit $8::integer),
    place as (select d.due_at::text, d.agent_event_id, d.agent_id, (select count(*) from due) as count
              from due d order by d.due_at desc, d.agent_event_id desc, d.agent_id desc limit 1)
    select b.agent_event_id, b.client_id, b.agent_id, b.hash, b.next_sequence, b.version, b.attempts,
           coalesce(b.due_at <= now(), false) as due, e.url, e.method, h.suspended_at is not null as suspended,
           h.agent_event_id is not null as unwell, coalesce(c.last_sequence, 0) as last_sequence, null::text as due_at, ${HEAD}
    from (select distinct client_id, agent_id from due) a
    cross join lateral (
      select * from dispatch.behind b where b.client_id = a.client_id and b.agent_id = a.agent_id offset 0) b
    left join lateral (select * from subscription.agent_event e where e.id = b.agent_event_id limit 1) e on true
    left join lateral (select * from dispatch.event_health h where h.agent_event_id = b.agent_event_id limit 1) h on true
    left join lateral (
      select c.last_sequence from dispatch.agent_cursor c where c.client_id = b.client_id and c.agent_id = b.agent_id limit 1) c on true
    ${headOf(`b.next_sequence and b.due_at <= now()`, '$9::double precision')}
    union all
    select agent_event_id, null, agent_id, null, null, null, null, null, null, null, null, null, count, due_at,
           null, null, null, null, null, null, null, null
    from place`,
};

export interface DuePage {
  readonly rows: BehindRow[];
  /** The last place; undefined: there is nothing after it. */
  readonly last: DuePlace | undefined;
  readonly readAt: number;
}

export async function readDue(pool: Pool, query: DueQuery): Promise<DuePage> {
  const { base, shards, paused, busyClients, after, limit, windowMs } = query;
  const readAt = performance.now();
  const { rows: lines } = await pool.query<DueLine>({
    ...DUE,
    values: [
      base,
      arrayOfPlain(shards, (shard) => shard),
      arrayOfPlain(paused, (id) => id),
      arrayOfPlain(busyClients, (id) => id),
      after.dueAt,
      after.agentEventId,
      after.agentId,
      limit,
      windowMs,
    ],
  });
  let last: DuePlace | undefined;
  const rows: BehindRow[] = [];
  for (const line of lines) {
    if (line.client_id === null) {
      const { due_at: dueAt, agent_event_id: agentEventId, agent_id: agentId, last_sequence: count } = line;
      if (count >= limit) last = { dueAt, agentEventId, agentId };
      continue;
    }
    rows.push({
      agentEventId: line.agent_event_id,
      clientId: line.client_id,
      agentId: line.agent_id,
      hash: line.hash,
      next: line.next_sequence,
      version: line.version,
      attempts: line.attempts,
      isDue: line.due,
      endpoint:
        line.url === null ? undefined : { url: line.url, method: line.method, suspended: line.suspended, unwell: line.unwell },
      head: headOfLine(line, readAt),
      cursor: line.last_sequence,
    });
  }
  return { rows, last, readAt };
}

/**
 * Locks the rows that are written, where they still are what they were, and the leases of their shards. A statement of its own, as is
 * each that follows: PostgreSQL 18.4 crashes where one that prunes partitions as it runs has to look again at a row that it waited
 * for; and what follows sees everything that was done before the locks were had.
 */
const LOCK_ROWS = {
  name: 'dispatch_lock_rows',
  text: `
    with ${leaseHeld('$1', '$2', '$3')}
    select r.nth::integer
    from unnest($4::integer[], $5::bigint[], $6::bigint[], $7::bigint[], $8::integer[])
      with ordinality as r (shard, agent_event_id, agent_id, next_sequence, version, nth)
    cross join lateral (
      select from dispatch.behind b
      where b.agent_event_id = r.agent_event_id and b.agent_id = r.agent_id
        and b.next_sequence = r.next_sequence and b.version = r.version
      for update) b
    where r.shard in (select shard from lease)`,
};

/** Logs the attempts, and moves each row on to its next change, gives it another moment, or lets it go when nothing waits any more. */
const WRITE_ROWS = {
  name: 'dispatch_write_rows',
  text: `
    with mine as materialized (
      select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::double precision[], $6::uuid[], $7::bigint[])
        as r (agent_event_id, agent_id, sent, kind, due_ms, blocked_by, blocked_by_event)),
    logged as (
      insert into dispatch.attempt (${ATTEMPT})
      select * from unnest($8::bigint[], $9::uuid[], $10::smallint[], $11::timestamptz[], $12::integer[], $13::text[],
                           $14::smallint[], $15::text[], $16::text[])
      on conflict do nothing),
    headed as materialized (
      select b.agent_event_id, b.agent_id, b.client_id, m.kind, ${HEAD}
      from mine m
      cross join lateral (
        select * from dispatch.behind b where b.agent_event_id = m.agent_event_id and b.agent_id = m.agent_id offset 0) b
      left join lateral (select * from subscription.agent_event e where e.id = b.agent_event_id limit 1) e on true
      left join lateral (
        select c.last_sequence from dispatch.agent_cursor c where c.client_id = b.client_id and c.agent_id = b.agent_id limit 1) c on true
      ${headOf(`m.sent + 1 and m.kind = 'next'`, '$17::double precision')}),
    gone as (
      delete from dispatch.behind b using headed h
      where b.agent_event_id = h.agent_event_id and b.agent_id = h.agent_id
        and (h.kind = 'drop' or (h.kind = 'next' and h.change_id is null))),
    moved as (
      update dispatch.behind b
      set next_sequence = h.sequence, version = b.version + 1, attempts = 0, due_at = now(), head_change_id = h.change_id,
          head_expires_at = now() + h.expires_in_ms * interval '1 ms', blocked_by = null, blocked_by_event = null
      from headed h
      where b.agent_event_id = h.agent_event_id and b.agent_id = h.agent_id and h.kind = 'next' and h.change_id is not null),
    kept as (
      update dispatch.behind b
      set version = b.version + 1, attempts = case m.kind when 'retry' then b.attempts + 1 else b.attempts end,
          due_at = now() + m.due_ms * interval '1 ms', blocked_by = m.blocked_by, blocked_by_event = m.blocked_by_event
      from mine m
      where b.agent_event_id = m.agent_event_id and b.agent_id = m.agent_id and m.kind in ('retry', 'wait'))
    select * from headed`,
};

/** Whatever moves on or goes wakes what sleeps of its agent. */
const WAKE_SIBLINGS = {
  name: 'dispatch_wake_siblings',
  text: `
    update dispatch.behind b set due_at = now(), blocked_by = null, blocked_by_event = null
    from (select distinct client_id, agent_id from unnest($1::bigint[], $2::bigint[]) as m (client_id, agent_id)) m
    where b.client_id = m.client_id and b.agent_id = m.agent_id and b.due_at is null
      and (b.agent_event_id, b.agent_id) not in (select * from unnest($3::bigint[], $4::bigint[]))`,
};

export interface WrittenRow {
  readonly agentEventId: number;
  readonly agentId: number;
  readonly clientId: number;
  /** The next head of one that moved on. */
  readonly head: Change | undefined;
}

/**
 * Writes what became of rows. Decided by what the log and the cursors are when the rows are locked; nobody but the owner of the shard
 * moves those.
 *
 * @returns those that were written, by `agent event:agent`; the others are not this instance's, or were written before
 */
export async function writeRows(
  pool: Pool,
  owner: string,
  outcomes: readonly RowWrite[],
  windowMs: number,
): Promise<Map<string, WrittenRow>> {
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    await client.query('begin');
    const written = await writeLocked(client, owner, outcomes, windowMs);
    await client.query('commit');
    return written;
  } catch (error) {
    failure = error as Error;
    await client.query('rollback').catch(() => undefined); // the connection is closed below
    throw error;
  } finally {
    client.release(failure);
  }
}

type RowWrite = RowOutcome & { readonly tenure: Tenure; readonly agentId: number };

async function writeLocked(
  client: PoolClient,
  owner: string,
  outcomes: readonly RowWrite[],
  windowMs: number,
): Promise<Map<string, WrittenRow>> {
  const { rows: locked } = await client.query<{ nth: number }>({
    ...LOCK_ROWS,
    values: [
      ...leaseValues(owner, [...new Set(outcomes.map(({ tenure }) => tenure))]),
      arrayOfPlain(outcomes, ({ tenure }) => tenure.shard),
      arrayOfPlain(outcomes, ({ row }) => row.agentEventId),
      arrayOfPlain(outcomes, ({ agentId }) => agentId),
      arrayOfPlain(outcomes, ({ next }) => next),
      arrayOfPlain(outcomes, ({ version }) => version),
    ],
  });
  const mine = locked.map(({ nth }) => outcomes[nth - 1]!);
  if (mine.length === 0) return new Map();
  const readAt = performance.now();
  const records = mine.flatMap(({ result }) => ('record' in result && result.record ? [result.record] : []));
  const { rows } = await client.query<HeadLine & { agent_event_id: number; client_id: number }>({
    ...WRITE_ROWS,
    values: [
      arrayOfPlain(mine, ({ row }) => row.agentEventId),
      arrayOfPlain(mine, ({ agentId }) => agentId),
      arrayOfPlain(mine, ({ row, next }) => row.head?.sequence ?? next),
      arrayOfPlain(mine, ({ result }) => result.kind),
      arrayOfPlain(mine, ({ result }) => ('dueMs' in result ? result.dueMs?.toFixed(3) : undefined)),
      arrayOfPlain(mine, ({ result }) => ('blockedBy' in result ? result.blockedBy?.head?.id : undefined)),
      arrayOfPlain(mine, ({ result }) => ('blockedBy' in result ? result.blockedBy?.agentEventId : undefined)),
      ...attemptColumns(records),
      windowMs,
    ],
  });
  const movedOn = mine.filter(({ result }) => result.kind !== 'wait');
  if (movedOn.length > 0) {
    await client.query({
      ...WAKE_SIBLINGS,
      values: [
        arrayOfPlain(movedOn, ({ row }) => row.clientId),
        arrayOfPlain(movedOn, ({ agentId }) => agentId),
        arrayOfPlain(mine, ({ row }) => row.agentEventId),
        arrayOfPlain(mine, ({ agentId }) => agentId),
      ],
    });
  }
  return new Map(
    rows.map((row) => [
      `${row.agent_event_id}:${row.agent_id}`,
      { agentEventId: row.agent_event_id, agentId: row.agent_id, clientId: row.client_id, head: headOfLine(row, readAt) },
    ]),
  );
}

/** Has what waits for its next moment be due now, of agent events whose origin answers again; at most so many rows. @returns how many */
export async function bringForward(
  pool: Pool,
  agentEventIds: readonly number[],
  base: number,
  shards: readonly number[],
  limit: number,
): Promise<number> {
  const { rowCount } = await pool.query({
    name: 'dispatch_bring_forward',
    text: `
      update dispatch.behind b set due_at = now()
      from (select b.agent_event_id, b.agent_id from dispatch.behind b
            where b.agent_event_id = any ($1::bigint[]) and b.due_at > now() + interval '1 second' and b.hash % $2::integer = any ($3::integer[])
              and not exists (select from dispatch.event_health h where h.agent_event_id = b.agent_event_id and h.suspended_at is not null)
            order by b.due_at limit $4::integer for update skip locked) w
      where b.agent_event_id = w.agent_event_id and b.agent_id = w.agent_id`,
    values: [arrayOfPlain(agentEventIds, (id) => id), base, arrayOfPlain(shards, (shard) => shard), limit],
  });
  return rowCount ?? 0;
}

/**
 * Wakes what sleeps for a delivery that is not ahead of it any more: a change of a url, or a suspension, may cross with its falling
 * asleep.
 *
 * @returns how many
 */
export async function wakeOrphans(pool: Pool, base: number, shards: readonly number[], limit: number): Promise<number> {
  const { rowCount } = await pool.query({
    name: 'dispatch_wake_orphans',
    text: `
      update dispatch.behind b set due_at = now(), blocked_by = null, blocked_by_event = null
      from (select b.agent_event_id, b.agent_id from dispatch.behind b
            left join lateral (select e.url from subscription.agent_event e where e.id = b.agent_event_id limit 1) e on true
            where b.due_at is null and b.hash % $1::integer = any ($2::integer[])
              and not exists (
                select from dispatch.behind o
                join lateral (select f.url from subscription.agent_event f where f.id = o.agent_event_id limit 1) f on true
                where o.client_id = b.client_id and o.agent_id = b.agent_id and o.next_sequence < b.next_sequence and f.url = e.url
                  and o.due_at is not null
                  and not exists (select from dispatch.event_health h where h.agent_event_id = o.agent_event_id and h.suspended_at is not null))
            limit $3::integer for update of b skip locked) w
      where b.agent_event_id = w.agent_event_id and b.agent_id = w.agent_id and b.due_at is null`,
    values: [base, arrayOfPlain(shards, (shard) => shard), limit],
  });
  return rowCount ?? 0;
}
