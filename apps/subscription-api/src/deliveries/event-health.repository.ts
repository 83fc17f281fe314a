import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { AgentEvent } from '../agent-events/agent-event.schema.js';

export interface HealthRow {
  readonly failing_since: Date | null;
  readonly suspended_at: Date | null;
  readonly suspended_reason: 'gone' | 'failing' | 'paused' | null;
}

export interface Backlog {
  readonly count: number;
  /** When the oldest that waits changed; null: none waits. */
  readonly oldest: Date | null;
}

/** How an agent event does, from the few rows that say so, however much waits for it. */
@Injectable()
export class EventHealthRepository {
  constructor(private readonly dataSource: DataSource) {}

  /** @returns undefined: it is well */
  async health(agentEventId: number): Promise<HealthRow | undefined> {
    const rows: HealthRow[] = await this.dataSource.query(
      'select failing_since, suspended_at, suspended_reason from dispatch.event_health where agent_event_id = $1',
      [agentEventId],
    );
    return rows[0];
  }

  /**
   * What waits. Of what is behind there is one row an agent, which stands for its changes up to the cursor: an agent's logins have
   * odd sequences and its logouts even ones, so they need not be counted one by one. Of more than 10,000 agents the first are counted,
   * and the others taken for the same. The oldest is the head of one of the rows.
   */
  async backlog({ id, eventType }: AgentEvent): Promise<Backlog> {
    const rows: { count: number; oldest: Date | null }[] = await this.dataSource.query(
      // There is no min(uuid) before PostgreSQL 18; the text of a uuid sorts the same.
      `with behind as materialized (
         select b.client_id, b.agent_id, b.next_sequence, b.until_sequence, b.head_change_id, b.since,
                case coalesce(b.event_type, $2) when 'agent-login' then 1 else 0 end as odd
         from dispatch.behind b where b.agent_event_id = $1),
       counted as (
         select avg(greatest(1, (least(b.until_sequence, c.last_sequence) + b.odd) / 2 - (b.next_sequence - 1 + b.odd) / 2)) as each
         from (select * from behind limit 10000) b
         left join lateral (
           select c.last_sequence from dispatch.agent_cursor c
           where c.client_id = b.client_id and c.agent_id = b.agent_id limit 1) c on true),
       waiting as (
         select round(coalesce(count(*) * (select each from counted), 0)) as count,
                min(head_change_id::text) as change_id, min(since) filter (where head_change_id is null) as since
         from behind
         union all
         select count(*), min(change_id::text), null from dispatch.redelivery where agent_event_id = $1)
       select sum(w.count)::integer as count,
              least(min(w.since), (select c.changed_at from presence.status_change c where c.id = min(w.change_id)::uuid)) as oldest
       from waiting w`,
      [id, eventType],
    );
    return rows[0]!;
  }
}
