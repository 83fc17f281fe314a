import { LATENCY_BUCKETS } from '#contracts';
import { arrayOfPlain, arrayOfTexts, type Pool } from '#database';

/** In the place of an agent event: all of a client's. */
export const OF_ALL = 0;

/** Attempts of an agent event, or of a client, in a minute or an hour. */
export interface DeliveryCount {
  readonly clientId: number;
  /** {@link OF_ALL}: of the client. */
  readonly agentEventId: number;
  /** 60 or 3600 seconds. */
  readonly grain: number;
  /** When it begins, in seconds since the epoch. */
  readonly at: number;
  delivered: number;
  retry: number;
  failed: number;
  dropped: number;
  /** By step of LATENCY_BOUNDS_MS. */
  readonly latency: number[];
}

/** How an origin does for a client, as this instance sees it. */
export interface OriginState {
  readonly clientId: number;
  readonly origin: string;
  readonly state: 'closed' | 'open' | 'probing';
  /** When it became so, or when it was first not sent to; milliseconds since the epoch. */
  readonly since: number;
  readonly nextProbeAt: number | undefined;
  readonly lastError: string | undefined;
}

export async function addDeliveryCounts(pool: Pool, counts: readonly DeliveryCount[]): Promise<void> {
  await pool.query({
    name: 'dispatch_add_delivery_counts',
    text: `
      insert into dispatch.delivery_series as s (client_id, agent_event_id, grain, at, delivered, retry, failed, dropped, latency)
      select client_id, agent_event_id, grain, to_timestamp(at), delivered, retry, failed, dropped,
        ($9::integer[])[(ord - 1) * ${LATENCY_BUCKETS} + 1 : ord * ${LATENCY_BUCKETS}]
      from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::float8[], $5::integer[], $6::integer[], $7::integer[], $8::integer[])
        with ordinality as c (client_id, agent_event_id, grain, at, delivered, retry, failed, dropped, ord)
      order by client_id, agent_event_id, grain, at
      on conflict (client_id, agent_event_id, grain, at) do update
        set delivered = s.delivered + excluded.delivered, retry = s.retry + excluded.retry,
          failed = s.failed + excluded.failed, dropped = s.dropped + excluded.dropped,
          latency = array(select coalesce(a, 0) + coalesce(b, 0)
                          from unnest(s.latency, excluded.latency) with ordinality as both_of (a, b, bucket) order by bucket)`,
    values: [
      arrayOfPlain(counts, ({ clientId }) => clientId),
      arrayOfPlain(counts, ({ agentEventId }) => agentEventId),
      arrayOfPlain(counts, ({ grain }) => grain),
      arrayOfPlain(counts, ({ at }) => at),
      arrayOfPlain(counts, ({ delivered }) => delivered),
      arrayOfPlain(counts, ({ retry }) => retry),
      arrayOfPlain(counts, ({ failed }) => failed),
      arrayOfPlain(counts, ({ dropped }) => dropped),
      arrayOfPlain(
        counts.flatMap(({ latency }) => latency),
        (count) => count,
      ),
    ],
  });
}

/** Writes how origins do, as one instance sees it. */
export async function putOriginStates(pool: Pool, instance: string, states: readonly OriginState[]): Promise<void> {
  await pool.query({
    name: 'dispatch_put_origin_states',
    text: `
      insert into dispatch.origin_state as o (client_id, origin, instance, state, since, next_probe_at, last_error, seen_at)
      select client_id, origin, $7, state, to_timestamp(since_ms / 1000), to_timestamp(next_probe_ms / 1000), last_error, now()
      from unnest($1::bigint[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::text[])
        as s (client_id, origin, state, since_ms, next_probe_ms, last_error)
      order by client_id, origin
      on conflict (client_id, origin, instance) do update
        set state = excluded.state, since = excluded.since, next_probe_at = excluded.next_probe_at,
          last_error = coalesce(excluded.last_error, o.last_error), seen_at = excluded.seen_at`,
    values: [
      arrayOfPlain(states, ({ clientId }) => clientId),
      arrayOfTexts(states, ({ origin }) => origin),
      arrayOfPlain(states, ({ state }) => state),
      arrayOfPlain(states, ({ since }) => since),
      arrayOfPlain(states, ({ nextProbeAt }) => nextProbeAt),
      arrayOfTexts(states, ({ lastError }) => lastError ?? null),
      instance,
    ],
  });
}

/** Deletes counts beyond the retention (milliseconds), at most so many at a time. */
export async function dropDeliveryCounts(pool: Pool, retentionMs: number, atMost: number): Promise<void> {
  await pool.query(
    `delete from dispatch.delivery_series where ctid = any (array(
       select ctid from dispatch.delivery_series where at < now() - $1 * interval '1 ms' limit $2))`,
    [retentionMs, atMost],
  );
}

/** Deletes what instances said of origins long ago: those that are gone, and those whose origins are sent to again. */
export async function dropOriginStates(pool: Pool, olderThanMs: number): Promise<void> {
  await pool.query(`delete from dispatch.origin_state where seen_at < now() - $1 * interval '1 ms'`, [olderThanMs]);
}

/** Notifies whoever listens for deliveries. @param payloads a client's id and ids of its deliveries, apart by spaces; at most 8,000 bytes each */
export async function notifyDeliveries(pool: Pool, payloads: readonly string[]): Promise<void> {
  await pool.query(`select pg_notify('rollcall_deliveries', payload) from unnest($1::text[]) as payload`, [payloads]);
}
