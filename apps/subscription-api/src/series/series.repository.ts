import { Injectable } from '@nestjs/common';
import { LATENCY_BUCKETS } from '#contracts';
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

  /**
   * Reads the points that have attempts, in order.
   *
   * @param agentEventId undefined: of all of the client's
   */
  async deliveries(
    clientId: number,
    agentEventId: number | undefined,
    { from, step, points, grain }: SeriesSpan,
  ): Promise<DeliveryPoint[]> {
    const buckets = Array.from({ length: LATENCY_BUCKETS }, (_, bucket) => `sum(latency[${bucket + 1}])::bigint`);
    return this.reads.query(
      `select ${POINT('at')} as point, sum(delivered)::bigint as delivered, sum(retry)::bigint as retry,
         sum(failed)::bigint as failed, sum(dropped)::bigint as dropped, json_build_array(${buckets.join(', ')}) as latency
       from dispatch.delivery_series
       where client_id = $1 and ${SPAN('at')} and agent_event_id = $5 and grain = $6 group by 1 order by 1`,
      [clientId, from, step, points, agentEventId ?? OF_ALL, grain],
    );
  }
}
