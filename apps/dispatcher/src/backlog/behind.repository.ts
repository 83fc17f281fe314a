import type { Pool } from 'pg';
import { arrayOfPlain } from '#database';
import type { Endpoint } from '../attempt/delivery.js';
import type { Change } from '../lanes/agent-work.js';
import { HEAD, headOf, headOfLine, type HeadLine } from './head.repository.js';

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
  readonly endpoint: Required<Endpoint> | undefined;
  /** Of what is due; undefined where nothing is left to send. */
  readonly head: Change | undefined;
  readonly cursor: number;
  /** Something is finished beyond the cursor. */
  readonly isAhead: boolean;
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
}

/** A row that is due. */
export interface DueRow {
  readonly agentEventId: number;
  readonly clientId: number;
  readonly agentId: number;
  readonly hash: number;
}

export interface DuePage {
  readonly rows: DueRow[];
  /** The last place; undefined: there is nothing after it. */
  readonly last: DuePlace | undefined;
}

/** Reads which rows are due, in turn. */
export async function readDue(pool: Pool, query: DueQuery): Promise<DuePage> {
  const { base, shards, paused, busyClients, after, limit } = query;
  const { rows } = await pool.query<DueRow & { readonly dueAt: string }>({
    name: 'dispatch_due',
    text: `
      select b.agent_event_id as "agentEventId", b.client_id as "clientId", b.agent_id as "agentId", b.hash, b.due_at::text as "dueAt"
      from dispatch.behind b
      where b.due_at <= now() and b.hash % $1::integer = any ($2::integer[])
        and b.agent_event_id <> all ($3::bigint[]) and b.client_id <> all ($4::bigint[])
        and (b.due_at, b.agent_event_id, b.agent_id) > ($5::timestamptz, $6::bigint, $7::bigint)
      order by b.due_at, b.agent_event_id, b.agent_id limit $8::integer`,
    values: [
      base,
      arrayOfPlain(shards, (shard) => shard),
      arrayOfPlain(paused, (id) => id),
      arrayOfPlain(busyClients, (id) => id),
      after.dueAt,
      after.agentEventId,
      after.agentId,
      limit,
    ],
  });
  return { rows, last: rows.length >= limit ? rows.at(-1) : undefined };
}

interface BehindLine extends HeadLine, Required<Omit<Endpoint, 'url'>> {
  agent_event_id: number;
  client_id: number;
  hash: number;
  next_sequence: number;
  version: number;
  attempts: number;
  due: boolean;
  /** null: the agent event is deleted. */
  url: string | null;
  last_sequence: number;
  ahead: boolean;
}

/**
 * Everything that is behind for the agents of some rows that are due. A row ahead of its agent's cursor is of a change that is still
 * recorded in pages: it is left alone until the cursor has come there.
 */
const BEHIND = {
  name: 'dispatch_behind',
  text: `
    select b.agent_event_id, b.client_id, b.agent_id, b.hash, b.next_sequence, b.version, b.attempts,
           b.agent_event_id = any (a.due) and b.due_at <= now() and b.next_sequence <= coalesce(c.last_sequence, 0) as due,
           e.url, e.method, h.suspended_at is not null as suspended, h.agent_event_id is not null as unwell,
           e.agent_id is null as "isForAll", coalesce(c.last_sequence, 0) as last_sequence, coalesce(c.ahead, false) as ahead, ${HEAD}
    -- A list for each agent: joined with what is due, each row would be compared with all of that.
    from (select client_id, agent_id, array_agg(agent_event_id) as due
          from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as d (client_id, agent_id, agent_event_id) group by client_id, agent_id) a
    cross join lateral (
      select * from dispatch.behind b where b.client_id = a.client_id and b.agent_id = a.agent_id offset 0) b
    left join lateral (select * from subscription.agent_event e where e.id = b.agent_event_id limit 1) e on true
    left join lateral (select * from dispatch.event_health h where h.agent_event_id = b.agent_event_id limit 1) h on true
    left join lateral (
      select c.last_sequence, c.ahead from dispatch.agent_cursor c where c.client_id = b.client_id and c.agent_id = b.agent_id limit 1) c on true
    ${headOf(`b.next_sequence and b.agent_event_id = any (a.due)`, '$4::double precision')}`,
};

/**
 * Reads all that is behind for the agents of rows that are due, with the heads of these.
 *
 * @returns `readAt` is when the reading began, in milliseconds of `performance.now()`
 */
export async function readBehind(
  pool: Pool,
  due: readonly DueRow[],
  windowMs: number,
): Promise<{ readonly rows: BehindRow[]; readonly readAt: number }> {
  const readAt = performance.now();
  const { rows: lines } = await pool.query<BehindLine>({
    ...BEHIND,
    values: [
      arrayOfPlain(due, ({ clientId }) => clientId),
      arrayOfPlain(due, ({ agentId }) => agentId),
      arrayOfPlain(due, ({ agentEventId }) => agentEventId),
      windowMs,
    ],
  });
  const rows = lines.map((line): BehindRow => {
    const { url, method, suspended, unwell, isForAll } = line;
    return {
      agentEventId: line.agent_event_id,
      clientId: line.client_id,
      agentId: line.agent_id,
      hash: line.hash,
      next: line.next_sequence,
      version: line.version,
      attempts: line.attempts,
      isDue: line.due,
      endpoint: url === null ? undefined : { url, method, suspended, unwell, isForAll },
      head: headOfLine(line, readAt),
      cursor: line.last_sequence,
      isAhead: line.ahead,
    };
  });
  return { rows, readAt };
}

/**
 * Makes what waits for its next moment due now, of agent events whose origin answers again; at most so many rows.
 *
 * @returns how many were found. One that was written in the same moment is found and not seen at its new place: it has its turn later
 */
export async function bringForward(
  pool: Pool,
  agentEventIds: readonly number[],
  base: number,
  shards: readonly number[],
  limit: number,
): Promise<number> {
  const { rows } = await pool.query<{ found: number }>({
    name: 'dispatch_bring_forward',
    text: `
      with found as materialized (
        select b.ctid as place from dispatch.behind b
        where b.agent_event_id = any ($1::bigint[]) and b.due_at > now() + interval '1 second' and b.hash % $2::integer = any ($3::integer[])
          and not exists (select from dispatch.event_health h where h.agent_event_id = b.agent_event_id and h.suspended_at is not null)
        order by b.due_at limit $4::integer for update skip locked),
      brought as (update dispatch.behind b set due_at = now() from found where b.ctid = found.place)
      select count(*)::integer as found from found`,
    values: [arrayOfPlain(agentEventIds, (id) => id), base, arrayOfPlain(shards, (shard) => shard), limit],
  });
  return rows[0]!.found;
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
      from (select b.ctid as place from dispatch.behind b
            left join lateral (select e.url from subscription.agent_event e where e.id = b.agent_event_id limit 1) e on true
            where b.due_at is null and b.hash % $1::integer = any ($2::integer[])
              and not exists (
                select from dispatch.behind o
                join lateral (select f.url from subscription.agent_event f where f.id = o.agent_event_id limit 1) f on true
                where o.client_id = b.client_id and o.agent_id = b.agent_id and o.next_sequence < b.next_sequence and f.url = e.url
                  and o.due_at is not null
                  and not exists (select from dispatch.event_health h where h.agent_event_id = o.agent_event_id and h.suspended_at is not null))
            limit $3::integer for update of b skip locked) w
      where b.ctid = w.place and b.due_at is null`,
    values: [base, arrayOfPlain(shards, (shard) => shard), limit],
  });
  return rowCount ?? 0;
}
