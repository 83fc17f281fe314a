import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { WAITING_IN_ROW } from '../event-health/event-health.module.js';

/** Agent events whose urls begin alike. */
export interface AuthorityRow {
  /** Scheme, host and port as they are registered; undefined where the url cannot be read. */
  readonly authority: string | null;
  readonly agent_events: number;
  readonly waiting: number;
}

/** How an origin does, as one dispatcher sees it. */
export interface OriginStateRow {
  readonly origin: string;
  readonly state: 'closed' | 'open' | 'probing';
  readonly since: Date;
  readonly next_probe_at: Date | null;
  readonly last_error: string | null;
}

/** Rows behind, of all agent events, whose deliveries are counted. */
const COUNTED_ROWS = 50_000;

/** Where a client's notifications go. */
@Injectable()
export class OriginRepository {
  constructor(private readonly dataSource: DataSource) {}

  authorities(clientId: number): Promise<AuthorityRow[]> {
    return this.dataSource.query(
      `select lower(substring(e.url from '^[A-Za-z]+://[^/?#\\\\]+')) as authority, count(*) as agent_events,
         (coalesce(sum(behind.waiting), 0) + coalesce(sum(again.waiting), 0))::bigint as waiting
       from subscription.agent_event e
       left join (
         select b.agent_event_id, sum(${WAITING_IN_ROW}) as waiting
         from (select * from dispatch.behind where client_id = $1 limit ${COUNTED_ROWS}) b
         join subscription.agent_event e on e.id = b.agent_event_id
         join dispatch.agent_cursor c on c.client_id = b.client_id and c.agent_id = b.agent_id
         group by b.agent_event_id
       ) behind on behind.agent_event_id = e.id
       cross join lateral (select count(*) as waiting from dispatch.redelivery r where r.agent_event_id = e.id) again
       where e.client_id = $1 and e.until_sequence is null
       group by 1`,
      [clientId],
    );
  }

  /** Reads what dispatchers say that have said something lately; of those that are gone, only what has ended. */
  states(clientId: number): Promise<OriginStateRow[]> {
    return this.dataSource.query(
      `select origin, state, since, next_probe_at, last_error from dispatch.origin_state
       where client_id = $1 and (state = 'closed' or seen_at > now() - interval '1 minute') order by since`,
      [clientId],
    );
  }
}
