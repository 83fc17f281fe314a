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
   * odd sequences and its logouts even ones, so they need not be counted one by one. The oldest is the head of one of the rows.
   */
  async backlog({ id, eventType }: AgentEvent): Promise<Backlog> {
    const rows: { count: number; oldest: Date | null }[] = await this.dataSource.query(
      // There is no min(uuid) before PostgreSQL 18; the text of a uuid sorts the same.
      `with behind as (
         select b.next_sequence, b.head_change_id, b.since, case coalesce(b.event_type, $2) when 'agent-login' then 1 else 0 end as odd,
                least(b.until_sequence, (select c.last_sequence from dispatch.agent_cursor c
                                         where c.client_id = b.client_id and c.agent_id = b.agent_id)) as last_sequence
         from dispatch.behind b where b.agent_event_id = $1),
       waiting as (
         select coalesce(sum(greatest(1, (last_sequence + odd) / 2 - (next_sequence - 1 + odd) / 2)), 0)::bigint as count,
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
