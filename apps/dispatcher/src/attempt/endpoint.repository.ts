import type { Pool } from 'pg';
import type { Sealer } from '#database';
import { signingKey, type WebhookSigningKey } from '#webhook';
import type { Endpoint } from './delivery.js';

/** Reads what the agent events say now: a change of url or method, a deletion or a suspension holds for every attempt from then on. */
export async function readEndpoints(pool: Pool, agentEventIds: readonly number[]): Promise<Map<number, Endpoint>> {
  const { rows } = await pool.query<Required<Endpoint> & { readonly id: number }>({
    name: 'dispatch_read_endpoints',
    text: `
      select e.id, e.url, e.method, h.suspended_at is not null as suspended, h.agent_event_id is not null as unwell,
        e.agent_id is null as "isForAll"
      from subscription.agent_event e left join dispatch.event_health h on h.agent_event_id = e.id
      where e.id = any ($1::bigint[])`,
    values: [agentEventIds],
  });
  return new Map(rows.map(({ id, ...endpoint }) => [id, endpoint]));
}

/**
 * Reads the clients' signing keys, the current one first, with those that sign along after a rotation: contract §3.
 *
 * @param onUnreadable told of a secret that cannot be opened; only its own client is without it
 */
export async function readSigningKeys(
  pool: Pool,
  sealer: Sealer,
  clientIds: readonly number[],
  onUnreadable: (clientId: number, error: unknown) => void,
): Promise<Map<number, WebhookSigningKey[]>> {
  const { rows } = await pool.query<{ client_id: number; secret_sealed: string }>({
    name: 'dispatch_read_secrets',
    text: `
      select client_id, secret_sealed from subscription.webhook_secret
      where client_id = any ($1::bigint[]) and (expires_at is null or expires_at > now())
      order by client_id, expires_at desc nulls first, id desc`,
    values: [clientIds],
  });
  const keys = new Map<number, WebhookSigningKey[]>();
  for (const row of rows) {
    try {
      const key = signingKey(sealer.open(row.secret_sealed));
      keys.set(row.client_id, [...(keys.get(row.client_id) ?? []), key]);
    } catch (error) {
      onUnreadable(row.client_id, error);
    }
  }
  return keys;
}
