import type { Pool } from 'pg';
import { eventTypeOf, type StatusChange } from '#contracts';
import { arrayOfPlain } from '#database';
import type { Endpoint } from '../attempt/delivery.js';

/** A first attempt that is to be made. */
export interface PlannedDelivery extends Required<Endpoint> {
  readonly changeId: string;
  readonly agentEventId: number;
}

/** What is behind for an agent. */
export interface PlannedRow {
  readonly agentEventId: number;
  readonly next: number;
}

export interface PlannedAgent {
  /** The agent's cursor; 0 without one. */
  readonly cursor: number;
  /** What is finished beyond the cursor may reach up to here; 0: nothing is. */
  readonly aheadTo: number;
  readonly rows: PlannedRow[];
}

export interface Plan {
  /** By `client:agent`. */
  readonly agents: Map<string, PlannedAgent>;
  readonly deliveries: PlannedDelivery[];
  /** Where the page ended: the change whose agent events were not all read, and the last of them; undefined: all were. */
  readonly end: PlanPlace | undefined;
  /** Changes that are in the log: the others are passed over. */
  readonly logged: ReadonlySet<string>;
  /** Add to a moment of the database's clock, in milliseconds since the epoch, for one of `performance.now()`. */
  readonly clockOffset: number;
  /** When the reading began, in milliseconds of `performance.now()`. */
  readonly readAt: number;
}

/** A place in the order in which deliveries are planned. */
export interface PlanPlace {
  readonly changeId: string;
  readonly agentEventId: number;
}

/** Which part of a plan is read. */
export interface PlanPage {
  /** Agent events of the first change after this one. */
  readonly after: number;
  /** Most deliveries. */
  readonly limit: number;
}

/**
 * The one read of a batch: for each agent its cursor and what is behind, for each change beyond the cursor the agent events that it
 * matches by the types that they had then, but for those that have it already; a page of them, in the order of the changes and of the
 * agent events' ids, so that no statement takes long because an agent has many. Agent by agent by the index, since a batch is small
 * beside the tables; `dispatch.changes` is unnest with an honest estimate.
 */
const PLAN = {
  name: 'dispatch_plan',
  text: `
    with change as materialized (
      select c.*, row_number() over () as nth
      from dispatch.changes($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], null) c),
    agent as materialized (
      select a.client_id, a.agent_id, coalesce(c.last_sequence, 0) as last_sequence, coalesce(c.ahead, false) as ahead
      from (select distinct client_id, agent_id from change) a
      left join lateral (
        select c.last_sequence, c.ahead from dispatch.agent_cursor c
        where c.client_id = a.client_id and c.agent_id = a.agent_id limit 1) c on true),
    fresh as materialized (
      select c.id, c.client_id, c.agent_id, c.agent_type, c.sequence, c.event_type, s.changed_at, a.ahead, c.nth,
             case when c.nth = 1 then $7::bigint else 0 end as after
      from change c join agent a using (client_id, agent_id)
      cross join lateral (select s.changed_at from presence.status_change s where s.id = c.id limit 1) s
      where c.sequence > a.last_sequence),
    matched as materialized (
      select f.id, f.nth, f.ahead, e.id as agent_event_id, e.url, e.method, e.is_for_all
      from (select * from fresh order by nth) f
      cross join lateral (
        select * from (
          (select e.id, e.url, e.method, false as is_for_all from subscription.agent_event e
           where e.client_id = f.client_id and e.agent_id = f.agent_id and e.agent_id is not null and e.id > f.after
             and subscription.event_type_at(e.event_type, e.former_types, f.changed_at) = f.event_type and e.agent_type = f.agent_type
             and f.sequence > e.after_sequence and (e.until_sequence is null or f.sequence <= e.until_sequence)
           order by e.id limit $8::integer)
          union all
          (select e.id, e.url, e.method, true from subscription.agent_event e
           left join lateral (
             select s.after_sequence from subscription.client_event_start s
             where s.agent_event_id = e.id and s.agent_id = f.agent_id limit 1) s on true
           where e.client_id = f.client_id and e.agent_id is null and e.id > f.after
             and subscription.event_type_at(e.event_type, e.former_types, f.changed_at) = f.event_type
             and coalesce(subscription.agent_type_at(e.agent_type, e.former_types, f.changed_at), f.agent_type) = f.agent_type
             and f.sequence > coalesce(s.after_sequence, 0)
           order by e.id limit $8::integer)) e
        order by e.id limit $8::integer) e
      order by f.nth, e.id limit $8::integer)
    select 'delivery' as kind, m.id, m.agent_event_id as a, m.url, m.method, h.suspended_at is not null as suspended, h.agent_event_id is not null as unwell,
           m.is_for_all as "isForAll", null::bigint as b, null::bigint as c, null::bigint as d
    from matched m
    left join lateral (
      select h.agent_event_id, h.suspended_at from dispatch.event_health h where h.agent_event_id = m.agent_event_id limit 1) h on true
    where not m.ahead or not exists (
      select from dispatch.attempt t
      where t.agent_event_id = m.agent_event_id and t.change_id = m.id and t.outcome <> 'retry' offset 0)
    union all
    select 'logged', id, null, null, null, null, null, null, null, null, null from fresh
    union all
    select 'agent', null, a.client_id, null, null, null, null, null, a.agent_id, a.last_sequence,
           case when a.ahead then (
             select s.sequence from presence.status_change s
             where s.client_id = a.client_id and s.agent_id = a.agent_id order by s.position desc limit 1) end
    from agent a
    union all
    (select 'end', id, agent_event_id, null, null, null, null, null, null, null, null from matched
     where (select count(*) from matched) = $8::integer order by nth desc, agent_event_id desc limit 1)
    union all
    select 'row', null, a.client_id, null, null, null, null, null, a.agent_id, b.next_sequence, b.agent_event_id
    from agent a
    cross join lateral (
      select b.agent_event_id, b.next_sequence from dispatch.behind b
      where b.client_id = a.client_id and b.agent_id = a.agent_id and $7::bigint = 0 offset 0) b
    union all
    select 'now', null, (extract(epoch from now()) * 1000)::bigint, null, null, null, null, null, null, null, null`,
};

type Line =
  | ({ kind: 'delivery'; id: string; a: number } & Required<Endpoint>)
  | { kind: 'logged'; id: string }
  | { kind: 'agent'; a: number; b: number; c: number; d: number | null }
  | { kind: 'end'; id: string; a: number }
  | { kind: 'row'; a: number; b: number; c: number; d: number }
  | { kind: 'now'; a: number };

/** @param changes each at most once; those of an agent by sequence */
export async function readPlan(pool: Pool, changes: readonly StatusChange[], { after, limit }: PlanPage): Promise<Plan> {
  const readAt = performance.now();
  const { rows } = await pool.query<Line>({
    ...PLAN,
    values: [
      arrayOfPlain(changes, ({ id }) => id),
      arrayOfPlain(changes, ({ clientId }) => clientId),
      arrayOfPlain(changes, ({ agentId }) => agentId),
      arrayOfPlain(changes, ({ agentType }) => agentType),
      arrayOfPlain(changes, ({ sequence }) => sequence),
      arrayOfPlain(changes, ({ agentStatus }) => eventTypeOf(agentStatus)),
      after,
      limit,
    ],
  });
  const agents = new Map<string, PlannedAgent>();
  const deliveries: PlannedDelivery[] = [];
  const logged = new Set<string>();
  let clockOffset = 0;
  let end: PlanPlace | undefined;
  for (const line of rows) {
    switch (line.kind) {
      case 'delivery': {
        const { id: changeId, a: agentEventId, url, method, suspended, unwell, isForAll } = line;
        deliveries.push({ changeId, agentEventId, url, method, suspended, unwell, isForAll });
        break;
      }
      case 'logged':
        logged.add(line.id);
        break;
      case 'agent':
        agents.set(`${line.a}:${line.b}`, { cursor: line.c, aheadTo: line.d ?? 0, rows: [] });
        break;
      case 'row':
        agents.get(`${line.a}:${line.b}`)!.rows.push({ agentEventId: line.d, next: line.c });
        break;
      case 'end':
        end = { changeId: line.id, agentEventId: line.a };
        break;
      case 'now':
        clockOffset = readAt - line.a;
    }
  }
  return { agents, deliveries, end, logged, clockOffset, readAt };
}
