import { Injectable } from '@nestjs/common';
import { LATENCY_BOUNDS_MS, LATENCY_BUCKETS } from '#contracts';
import { ListReads } from '#database';
import type { SeriesSpan } from './span.js';

export interface ChangePoint {
  readonly point: number;
  readonly logins: number;
  readonly logouts: number;
  /** Available agents at its end. */
  readonly available: number;
}

export interface DeliveryPoint {
  readonly point: number;
  readonly delivered: number;
  readonly retry: number;
  readonly failed: number;
  readonly dropped: number;
  /** By step of LATENCY_BOUNDS_MS. */
  readonly latency: readonly number[];
}

/** In the place of an agent event: all of a client's. */
const OF_ALL = 0;

const SPAN = (column: string): string => `${column} >= to_timestamp($2) and ${column} < to_timestamp($2 + $3 * $4)`;
const POINT = (column: string): string => `floor((extract(epoch from ${column})::float8 - $2) / $3)::integer`;

/** Steps of LATENCY_BOUNDS_MS. */
const BUCKETS = Array.from({ length: LATENCY_BUCKETS }, (_, bucket) => bucket);

/** Reads the counts that presence and dispatcher keep. */
@Injectable()
export class SeriesRepository {
  constructor(private readonly reads: ListReads) {}

  /** Reads the points that have changes, in order. */
  async changes(clientId: number, { from, step, points }: SeriesSpan): Promise<ChangePoint[]> {
    return this.reads.query(
      `select ${POINT('minute')} as point, sum(logins)::bigint as logins, sum(logouts)::bigint as logouts,
         (array_agg(available order by minute desc))[1] as available
       from presence.change_series where client_id = $1 and ${SPAN('minute')} group by 1 order by 1`,
      [clientId, from, step, points],
    );
  }

  /**
   * Counts the available agents before the span: from the last count before it, else from the first one after, else from the
   * agents of now.
   */
  async availableBefore(clientId: number, { from }: SeriesSpan): Promise<number> {
    const rows: { available: number }[] = await this.reads.query(
      `select coalesce(
         (select available from presence.change_series where client_id = $1 and minute < to_timestamp($2) order by minute desc limit 1),
         (select greatest(0, available - logins + logouts) from presence.change_series
          where client_id = $1 and minute >= to_timestamp($2) order by minute limit 1),
         (select count(*) from presence.agent where client_id = $1 and agent_status = 'available' and deleted_at is null)
       ) as available`,
      [clientId, from],
    );
    return rows[0]!.available;
  }

  /** Reads the points with attempts of all of a client's agent events, in order. */
  deliveries(clientId: number, span: SeriesSpan): Promise<DeliveryPoint[]> {
    return this.counted(clientId, OF_ALL, span);
  }

  /**
   * Reads the points with attempts of an agent event, in order; none where it is not the client's. One that is gone is known by its
   * attempts as well.
   */
  async deliveriesOf(clientId: number, agentEventId: number, span: SeriesSpan): Promise<DeliveryPoint[]> {
    const [event]: { readonly is_for_all: boolean }[] = await this.reads.query(
      `select agent_id is null as is_for_all from subscription.agent_event where client_id = $1 and id = $2
       union all select is_for_all from subscription.removed_agent_event where client_id = $1 and agent_event_id = $2 limit 1`,
      [clientId, agentEventId],
    );
    if (!event) return [];
    return event.is_for_all ? this.counted(clientId, agentEventId, span) : this.attempted(agentEventId, span);
  }

  private counted(clientId: number, agentEventId: number, { from, step, points, grain }: SeriesSpan): Promise<DeliveryPoint[]> {
    const buckets = BUCKETS.map((bucket) => `sum(latency[${bucket + 1}])::bigint`);
    return this.reads.query(
      `select ${POINT('at')} as point, sum(delivered)::bigint as delivered, sum(retry)::bigint as retry,
         sum(failed)::bigint as failed, sum(dropped)::bigint as dropped, json_build_array(${buckets.join(', ')}) as latency
       from dispatch.delivery_series
       where client_id = $1 and ${SPAN('at')} and agent_event_id = $5 and grain = $6 group by 1 order by 1`,
      [clientId, from, step, points, agentEventId, grain],
    );
  }

  /** What is logged of the attempts of a single agent's event, which are not counted by themselves. */
  private attempted(agentEventId: number, { from, step, points }: SeriesSpan): Promise<DeliveryPoint[]> {
    const counts = ['delivered', 'retry', 'failed', 'dropped'].map(
      (outcome) => `count(*) filter (where outcome = '${outcome}') as ${outcome}`,
    );
    const buckets = BUCKETS.map(
      (bucket) => `count(*) filter (where latency_ms > 0 and width_bucket(latency_ms - 1, $5::integer[]) = ${bucket})`,
    );
    return this.reads.query(
      `select ${POINT('attempted_at')} as point, ${counts.join(', ')}, json_build_array(${buckets.join(', ')}) as latency
       from dispatch.attempt where agent_event_id = $1 and ${SPAN('attempted_at')} group by 1 order by 1`,
      [agentEventId, from, step, points, LATENCY_BOUNDS_MS],
    );
  }
}
