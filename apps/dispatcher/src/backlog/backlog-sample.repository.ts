import { queryBriefly, type Pool } from '#database';
import type { BacklogSample } from '../metrics.js';

/** Longest that a sample may take, in milliseconds. */
const MOST_MS = 2000;

/** Reads what is behind. @throws the database's error */
export async function sampleBacklog(pool: Pool): Promise<BacklogSample> {
  const [sample] = await queryBriefly<{ rows: number; oldest_seconds: number; suspended: BacklogSample['suspended'] }>(
    pool,
    `select (select greatest(reltuples, 0) from pg_class where oid = 'dispatch.behind'::regclass)::double precision as rows,
            coalesce((select extract(epoch from clock_timestamp() - min(since)) from dispatch.behind), 0)::double precision
              as oldest_seconds,
            (select coalesce(json_agg(json_build_object('reason', suspended_reason, 'count', events)), '[]')
             from (select suspended_reason, count(*) as events from dispatch.event_health
                   where suspended_reason is not null group by 1) by_reason) as suspended`,
    MOST_MS,
  );
  return { rows: sample!.rows, oldestSeconds: sample!.oldest_seconds, suspended: sample!.suspended };
}
