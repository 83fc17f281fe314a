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
  readonly windowMs: number;
}

interface DueLine extends HeadLine, Required<Omit<Endpoint, 'url'>> {
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
  due_at: string;
}

/**
 * Rows that are due, in turn, with everything else that is behind for their agents. A row ahead of its agent's cursor is of a change
 * that is still recorded in pages: it is left alone until the cursor has come there.
 */
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
           b.agent_event_id = any (a.due) and b.next_sequence <= coalesce(c.last_sequence, 0) as due, e.url, e.method, h.suspended_at is not null as suspended,
           h.agent_event_id is not null as unwell, e.agent_id is null as "isForAll", coalesce(c.last_sequence, 0) as last_sequence,
           coalesce(c.ahead, false) as ahead, null::text as due_at, ${HEAD}
    -- A list for each agent: joined with what is due, each row would be compared with all of that.
    from (select client_id, agent_id, array_agg(agent_event_id) as due from due group by client_id, agent_id) a
    cross join lateral (
      select * from dispatch.behind b where b.client_id = a.client_id and b.agent_id = a.agent_id offset 0) b
    left join lateral (select * from subscription.agent_event e where e.id = b.agent_event_id limit 1) e on true
    left join lateral (select * from dispatch.event_health h where h.agent_event_id = b.agent_event_id limit 1) h on true
    left join lateral (
      select c.last_sequence, c.ahead from dispatch.agent_cursor c where c.client_id = b.client_id and c.agent_id = b.agent_id limit 1) c on true
    ${headOf(`b.next_sequence and b.agent_event_id = any (a.due)`, '$9::double precision')}
    union all
    select agent_event_id, null, agent_id, null, null, null, null, null, null, null, null, null, null, count, null, due_at,
           null, null, null, null, null, null, null, null, null
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
    const { url, method, suspended, unwell, isForAll } = line;
    rows.push({
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
    });
  }
  return { rows, last, readAt };
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
