import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { AgentType, EventType, NotificationMethod } from '#contracts';
import { type AttemptRow, firstChangeIdOf, IS_FOR, type SuspensionReason } from '../deliveries/deliveries.module.js';
import { containing, idsBeginning } from '../http/search.js';

export const HEALTH_STATES = ['active', 'failing', 'suspended'] as const;
export type HealthState = (typeof HEALTH_STATES)[number];

/** How an agent event does. */
export interface EventHealthRow {
  readonly id: number;
  readonly url: string;
  readonly method: NotificationMethod;
  readonly event_type: EventType;
  readonly agent_type: AgentType | null;
  /** Null: it is for all agents. */
  readonly agent_id: number | null;
  readonly agent_name: string | null;
  readonly failing_since: Date | null;
  readonly suspended_at: Date | null;
  readonly suspended_reason: SuspensionReason | null;
  /** Counted over the first thousands of agents that it is behind for, and taken to be as many for the others. */
  readonly waiting: number;
  readonly oldest_waiting: Date | null;
  readonly last: (Omit<AttemptRow, 'attempted_at'> & { readonly attempted_at: string; readonly change_id: string }) | null;
  /** In the last 24 hours; of a single agent's event no more than its newest, as many as are counted. */
  readonly delivered: number;
  readonly failed: number;
}

export interface EventHealthFilter {
  readonly id?: number | undefined;
  readonly state?: HealthState | undefined;
  /** Part of the url or of the agent's name, or the beginning of the id. */
  readonly q?: string | undefined;
  readonly agentId?: number | undefined;
}

/** Agents that are counted one by one of what agent events are behind for: of one, and of each in a list. */
const COUNTED_ROWS = 20_000;
const COUNTED_ROWS_IN_LIST = 1000;
/** The last attempt is looked for among those of the newest changes; a retry of an old one may be younger than a new one's. */
const NEWEST_ATTEMPTS = 20;

/** Attempts within a day that are counted of a single agent's event: of one, and of each in a list. */
const COUNTED_ATTEMPTS = 5000;
const COUNTED_ATTEMPTS_IN_LIST = 200;

/** Changes whose attempts are looked at before all others, in milliseconds. */
const LATELY_MS = 2 * 86_400_000;

/**
 * SQL that counts the sequences of a span whose changes match an agent event's type: logins and logouts alternate, and the first
 * is a login.
 */
const matchingIn = (from: string, to: string, eventType: string): string => {
  const first = `${from} + case when ${from} % 2 = case ${eventType} when 'agent-login' then 1 else 0 end then 0 else 1 end`;
  return `greatest(0, (${to} - (${first}) + 2) / 2)`;
};

/**
 * How many deliveries wait in row `b` of what agent event `e` is behind for, up to the agent's cursor `c`. Where its types were
 * others before, the changes are looked at.
 */
export const WAITING_IN_ROW = `(case when e.former_types is null then ${matchingIn('b.next_sequence', 'c.last_sequence', 'e.event_type')} else (
  select count(*) from presence.status_change s
  where s.client_id = b.client_id and s.agent_id = b.agent_id and s.sequence >= b.next_sequence and s.sequence <= c.last_sequence
    -- Leaves out the partitions of the days before.
    and s.id >= coalesce(b.head_change_id, '00000000-0000-0000-0000-000000000000') and ${IS_FOR}) end)`;

/** SQL that finds the last attempt of agent event `e` for changes since a change id. */
const lastAttemptSince = (since: string): string => `
  select * from (
    select change_id, attempt, attempted_at, latency_ms, outcome, http_status, error, response, trigger from dispatch.attempt a
    where a.agent_event_id = e.id and a.change_id >= ${since} order by change_id desc, attempt desc limit ${NEWEST_ATTEMPTS}
  ) young order by attempted_at desc limit 1`;

/** The page of agent events that the rest is looked up for; each kind by its own index. */
const PAGE = `
  select e.*, a.name as agent_name, h.failing_since, h.suspended_at, h.suspended_reason from (
    select * from subscription.agent_event
    where client_id = $1 and agent_id is not null and until_sequence is null and ($2::bigint is null or id = $2)
      and ($6::bigint is null or agent_id = $6)
    union all
    select * from subscription.agent_event where client_id = $1 and agent_id is null and ($2::bigint is null or id = $2) and $6::bigint is null
  ) e
  left join presence.agent a on a.client_id = e.client_id and a.agent_id = e.agent_id
  left join dispatch.event_health h on h.agent_event_id = e.id
  where ($3::text is null or $3 = case when h.suspended_at is not null then 'suspended' when h.agent_event_id is not null then 'failing' else 'active' end)
    and ($4::text[] is null or e.url ilike any ($4) or a.name ilike any ($4) or e.id::text like $5)
  order by e.id offset $7 limit $8`;

const HEALTH = `
  with page as materialized (${PAGE})
  select e.id, e.url, e.method, e.event_type, e.agent_type, e.agent_id, e.agent_name, e.failing_since, e.suspended_at, e.suspended_reason,
    behind.waiting + again.waiting as waiting,
    (select s.changed_at from presence.status_change s where s.id = least(behind.oldest, again.oldest)::uuid) as oldest_waiting,
    coalesce(to_jsonb(lately), to_jsonb(before)) as last, day.delivered, day.failed
  from page e
  cross join lateral (
    select coalesce(round(sum(${WAITING_IN_ROW}) * case when count(*) < $9::integer then 1
        else (select count(*) from dispatch.behind r where r.agent_event_id = e.id)::numeric / $9::integer end), 0)::bigint as waiting,
      min(b.head_change_id::text) as oldest -- there is no min(uuid) before PostgreSQL 18
    from (select * from dispatch.behind b where b.agent_event_id = e.id order by b.agent_event_id, b.agent_id limit $9::integer) b
    cross join lateral (
      select last_sequence from dispatch.agent_cursor c where c.client_id = b.client_id and c.agent_id = b.agent_id limit 1) c
  ) behind
  cross join lateral (
    select count(*) as waiting, min(r.change_id::text) as oldest from dispatch.redelivery r where r.agent_event_id = e.id) again
  -- Mostly it is one of the last days; the partitions of the others are left out.
  left join lateral (${lastAttemptSince('$10::uuid')}) lately on true
  left join lateral (
    select * from (${lastAttemptSince("'00000000-0000-0000-0000-000000000000'")}) any_day where lately.attempt is null) before on true
  cross join lateral (
    select coalesce(sum(delivered), 0)::bigint as delivered, coalesce(sum(failed), 0)::bigint as failed from (
      select s.delivered, s.failed from dispatch.delivery_series s
      where e.agent_id is null and s.client_id = $1 and s.agent_event_id = e.id and s.grain = 3600 and s.at > now() - interval '24 hours'
      union all
      -- One of a single agent is not counted by itself. Of older changes, only what is sent again was attempted within the day.
      select (outcome = 'delivered')::integer, (outcome = 'failed')::integer from (
        select a.outcome, a.attempted_at from dispatch.attempt a
        where e.agent_id is not null and a.agent_event_id = e.id and a.change_id >= $10::uuid
        order by a.change_id desc limit $11::integer) newest
      where attempted_at > now() - interval '24 hours'
    ) counted) day
  order by e.id`;

/**
 * Reads whether agent events' notifications arrive, from the dispatcher's tables; pause and resume go through functions of its
 * schema.
 */
@Injectable()
export class EventHealthRepository {
  constructor(private readonly dataSource: DataSource) {}

  find(clientId: number, { id, state, q, agentId }: EventHealthFilter, skip: number, take: number): Promise<EventHealthRow[]> {
    return this.dataSource.query(HEALTH, [
      clientId,
      id ?? null,
      state ?? null,
      containing(q),
      idsBeginning(q),
      agentId ?? null,
      skip,
      take,
      id === undefined ? COUNTED_ROWS_IN_LIST : COUNTED_ROWS,
      firstChangeIdOf(Date.now() - LATELY_MS),
      id === undefined ? COUNTED_ATTEMPTS_IN_LIST : COUNTED_ATTEMPTS,
    ]);
  }

  async pause(agentEventId: number): Promise<void> {
    await this.dataSource.query('select dispatch.pause($1)', [agentEventId]);
  }

  async resume(agentEventId: number): Promise<void> {
    await this.dataSource.query('select dispatch.resume($1)', [agentEventId]);
  }
}
