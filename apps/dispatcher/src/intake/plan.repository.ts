import type { Pool } from 'pg';
import { eventTypeOf, type NotificationMethod, type StatusChange } from '#contracts';
import { arrayOfPlain } from '#database';

/** A first attempt that is to be made. */
export interface PlannedDelivery {
  readonly changeId: string;
  readonly agentEventId: number;
  readonly url: string;
  readonly method: NotificationMethod;
  readonly suspended: boolean;
  readonly unwell: boolean;
}

/** What is behind for an agent. */
export interface PlannedRow {
  readonly agentEventId: number;
  readonly next: number;
}

export interface PlannedAgent {
  /** The agent's cursor; 0 without one. */
  cursor: number;
  readonly rows: PlannedRow[];
}

export interface Plan {
  /** By `client:agent`. */
  readonly agents: Map<string, PlannedAgent>;
  readonly deliveries: PlannedDelivery[];
  /** Changes that are in the log: the others are passed over. */
  readonly logged: ReadonlySet<string>;
  /** Add to a moment of the database's clock, in milliseconds since the epoch, for one of `performance.now()`. */
  readonly clockOffset: number;
  /** When the reading began, in milliseconds of `performance.now()`. */
  readonly readAt: number;
}

/**
 * The one read of a batch: for each agent its cursor and what is behind, for each change beyond the cursor the agent events that it
 * matches by the types that they had then, but for those that have it already. Agent by agent by the index, since a batch is small beside the tables; `dispatch.changes`
 * is unnest with an honest estimate.
 */
const PLAN = {
  name: 'dispatch_plan',
  text: `
    with change as materialized (
      select * from dispatch.changes($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], null)),
    agent as materialized (
      select a.client_id, a.agent_id, coalesce(c.last_sequence, 0) as last_sequence, coalesce(c.ahead, false) as ahead
      from (select distinct client_id, agent_id from change) a
      left join lateral (
        select c.last_sequence, c.ahead from dispatch.agent_cursor c
        where c.client_id = a.client_id and c.agent_id = a.agent_id limit 1) c on true),
    fresh as materialized (
      select c.id, c.client_id, c.agent_id, c.agent_type, c.sequence, c.event_type, s.changed_at, a.ahead
      from change c join agent a using (client_id, agent_id)
      cross join lateral (select s.changed_at from presence.status_change s where s.id = c.id limit 1) s
      where c.sequence > a.last_sequence),
    matched as (
      select f.id, f.ahead, e.id as agent_event_id, e.url, e.method
      from fresh f
      cross join lateral (
        select e.id, e.url, e.method from subscription.agent_event e
        where e.client_id = f.client_id and e.agent_id = f.agent_id and e.agent_id is not null
          and subscription.event_type_at(e.event_type, e.former_types, f.changed_at) = f.event_type and e.agent_type = f.agent_type
          and f.sequence > e.after_sequence and (e.until_sequence is null or f.sequence <= e.until_sequence)
        offset 0) e
      union all
      select f.id, f.ahead, e.id, e.url, e.method
      from fresh f
      cross join lateral (
        select e.id, e.url, e.method from subscription.agent_event e
        where e.client_id = f.client_id and e.agent_id is null
          and subscription.event_type_at(e.event_type, e.former_types, f.changed_at) = f.event_type
          and coalesce(subscription.agent_type_at(e.agent_type, e.former_types, f.changed_at), f.agent_type) = f.agent_type
        offset 0) e
      left join lateral (
        select s.after_sequence from subscription.client_event_start s
        where s.agent_event_id = e.id and s.agent_id = f.agent_id limit 1) s on true
      where f.sequence > coalesce(s.after_sequence, 0))
    select 'delivery' as kind, m.id, m.agent_event_id as a, m.url, m.method, h.suspended_at is not null as suspended, h.agent_event_id is not null as unwell,
           null::bigint as b, null::bigint as c, null::bigint as d
    from matched m
    left join lateral (
      select h.agent_event_id, h.suspended_at from dispatch.event_health h where h.agent_event_id = m.agent_event_id limit 1) h on true
    where not m.ahead or not exists (
      select from dispatch.attempt t
      where t.agent_event_id = m.agent_event_id and t.change_id = m.id and t.outcome = 'delivered' offset 0)
    union all
    select 'logged', id, null, null, null, null, null, null, null, null from fresh
    union all
    select 'agent', null, client_id, null, null, null, null, agent_id, last_sequence, null from agent
    union all
    select 'row', null, a.client_id, null, null, null, null, a.agent_id, b.next_sequence, b.agent_event_id
    from agent a
    cross join lateral (
      select b.agent_event_id, b.next_sequence from dispatch.behind b
      where b.client_id = a.client_id and b.agent_id = a.agent_id offset 0) b
    union all
    select 'now', null, (extract(epoch from now()) * 1000)::bigint, null, null, null, null, null, null, null`,
};

type Line =
  | { kind: 'delivery'; id: string; a: number; url: string; method: NotificationMethod; suspended: boolean; unwell: boolean }
  | { kind: 'logged'; id: string }
  | { kind: 'agent'; a: number; b: number; c: number }
  | { kind: 'row'; a: number; b: number; c: number; d: number }
  | { kind: 'now'; a: number };

/** @param changes each at most once */
export async function readPlan(pool: Pool, changes: readonly StatusChange[]): Promise<Plan> {
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
    ],
  });
  const agents = new Map<string, PlannedAgent>();
  const deliveries: PlannedDelivery[] = [];
  const logged = new Set<string>();
  let clockOffset = 0;
  for (const line of rows) {
    switch (line.kind) {
      case 'delivery':
        deliveries.push({
          changeId: line.id,
          agentEventId: line.a,
          url: line.url,
          method: line.method,
          suspended: line.suspended,
          unwell: line.unwell,
        });
        break;
      case 'logged':
        logged.add(line.id);
        break;
      case 'agent':
        agents.set(`${line.a}:${line.b}`, { cursor: line.c, rows: [] });
        break;
      case 'row':
        agents.get(`${line.a}:${line.b}`)!.rows.push({ agentEventId: line.d, next: line.c });
        break;
      case 'now':
        clockOffset = readAt - line.a;
    }
  }
  return { agents, deliveries, logged, clockOffset, readAt };
}
