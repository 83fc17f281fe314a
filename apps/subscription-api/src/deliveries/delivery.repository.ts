import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { StatusChange } from '#contracts';
import type { AgentEvent } from '../agent-events/agent-event.schema.js';

export interface AttemptRow {
  readonly agent_event_id: number;
  readonly change_id: string;
  readonly attempt: number;
  readonly attempted_at: Date;
  readonly latency_ms: number;
  readonly outcome: 'delivered' | 'retry' | 'failed' | 'dropped';
  readonly http_status: number | null;
  readonly error: string | null;
  readonly response: string | null;
}

/** A delivery that is not finished. */
export interface QueuedRow {
  readonly agent_event_id: number;
  readonly change_id: string;
  readonly due_at: Date | null;
  readonly expires_at: Date;
  readonly leased: boolean;
}

/**
 * The queued rows of agent event $1 (of client $2, agent $3 or null, url $4): those that are not leased by their index,
 * and those that are leased by the lanes of its agents, since no index holds them.
 */
const QUEUED = `
  select q.agent_event_id, q.change_id, q.due_at, q.expires_at, false as leased from dispatch.queue q
    where q.agent_event_id = $1 and q.lease_owner is null
  union all
  select q.agent_event_id, q.change_id, q.due_at, q.expires_at, true as leased from presence.agent a
    join dispatch.queue q on q.lane = dispatch.lane_of(a.client_id, a.agent_id, $4) and q.agent_event_id = $1 and q.lease_owner is not null
    where a.client_id = $2 and ($3::bigint is null or a.agent_id = $3)`;

const ATTEMPT_COLUMNS = 'agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome, http_status, error, response';

/** What the dispatcher knows of deliveries; what is asked of it goes through functions of its schema. */
@Injectable()
export class DeliveryRepository {
  constructor(private readonly dataSource: DataSource) {}

  /** Ids of the changes that are or were on their way to an agent event, in order; UUIDv7 order is time order. */
  async listChangeIds(event: AgentEvent, skip: number, take: number): Promise<string[]> {
    const rows: { change_id: string }[] = await this.dataSource.query(
      `select change_id from dispatch.attempt where agent_event_id = $1
       union select change_id from (${QUEUED}) as queued
       order by change_id offset $5 limit $6`,
      [...queuedBy(event), skip, take],
    );
    return rows.map(({ change_id }) => change_id);
  }

  findAttempts(agentEventId: number, changeIds: readonly string[]): Promise<AttemptRow[]> {
    return this.dataSource.query(
      `select ${ATTEMPT_COLUMNS} from dispatch.attempt
       where agent_event_id = $1 and change_id = any ($2) order by change_id, attempt`,
      [agentEventId, changeIds],
    );
  }

  findQueued(event: AgentEvent, changeIds: readonly string[]): Promise<QueuedRow[]> {
    return this.dataSource.query(`select * from (${QUEUED}) as queued where change_id = any ($5)`, [
      ...queuedBy(event),
      changeIds,
    ]);
  }

  /** The attempts of one change for several agent events. */
  findAttemptsOfChange(agentEventIds: readonly number[], changeId: string): Promise<AttemptRow[]> {
    return this.dataSource.query(
      `select ${ATTEMPT_COLUMNS} from dispatch.attempt
       where agent_event_id = any ($1) and change_id = $2 order by agent_event_id, attempt`,
      [agentEventIds, changeId],
    );
  }

  /** The queued rows of one change for several agent events, each by its key. */
  findQueuedOfChange(
    events: readonly AgentEvent[],
    { clientId, agentId, sequence, id }: Pick<StatusChange, 'clientId' | 'agentId' | 'sequence' | 'id'>,
  ): Promise<QueuedRow[]> {
    return this.dataSource.query(
      `select q.agent_event_id, q.change_id, q.due_at, q.expires_at, q.lease_owner is not null as leased
       from unnest($1::bigint[], $2::text[]) as e (id, url)
       join dispatch.queue q
         on q.lane = dispatch.lane_of($3, $4, e.url) and q.sequence = $5 and q.agent_event_id = e.id and q.change_id = $6`,
      [events.map((event) => event.id), events.map(({ url }) => url), clientId, agentId, sequence, id],
    );
  }

  /** The latest attempt among those of the youngest changes; a retry of an old change may be younger than a new one's. */
  async lastAttempt(agentEventId: number): Promise<AttemptRow | undefined> {
    const rows: AttemptRow[] = await this.dataSource.query(
      `select ${ATTEMPT_COLUMNS} from (
         select ${ATTEMPT_COLUMNS} from dispatch.attempt where agent_event_id = $1 order by change_id desc, attempt desc limit 200
       ) as young order by attempted_at desc limit 1`,
      [agentEventId],
    );
    return rows[0];
  }
}

function queuedBy({ id, clientId, agentId, url }: AgentEvent): unknown[] {
  return [id, clientId, agentId, url];
}
