import { fetchToken } from '../../test/support/client.js';
import { bareRoutes, PLATFORM, type Lab, type System } from '../lab/lab.js';
import { Population } from '../lab/population.js';
import type { Load, LoadResult } from '../load/http.process.js';
import type { Row } from '../row.js';

const CLIENTS = 64;
const FIRST_CLIENT = 1000;
const CONNECTIONS = 64;

/** Agent events over REST, with a token, by many clients at once. */
export function agentEventsRow(lab: Lab, system: System, method: 'GET' | 'POST', { requests = 6000 } = {}): Row {
  return {
    name: `agent events, ${method} one, with a token`,
    limit: 'the same statement over pg from a bare Fastify route',
    unit: 'requests/s',
    goal: 0.6,
    prepare: async () => {
      const base = FIRST_CLIENT + (method === 'GET' ? 0 : CLIENTS);
      for (let client = base; client < base + CLIENTS; client++) {
        await Population.create(system.pool, client, 1, () => 'https://example.com/login');
        await system.pool.query('insert into subscription.client_usage (client_id, agent_event_used) values ($1, 2)', [client]);
      }
      const { rows } = await system.pool.query<{ id: string }>(
        `select min(id) as id from subscription.agent_event where client_id >= $1 and client_id < $2 group by client_id order by client_id`,
        [base, base + CLIENTS],
      );
      const load = await lab.child('load/http.process');
      const limitUrl = await bareRoutes(lab, system);
      const token = await fetchToken(system.cluster.urls, PLATFORM.appId, PLATFORM.secret);
      const body = JSON.stringify({ url: 'https://example.com/login', event_type: 'agent-login', method: 'POST' });
      const send = async (origin: string, prefix: string, count: number): Promise<number> => {
        const { rate } = await load.ask<LoadResult>({
          origin,
          token,
          method,
          requests: Array.from({ length: count }, (_, nth) => {
            const client = nth % CLIENTS;
            const event = method === 'GET' ? rows[client]!.id : '';
            return {
              path: `${prefix}/client/${base + client}/agent/local/1/event/${event}`,
              body: method === 'POST' ? body : undefined,
            };
          }),
          connections: CONNECTIONS,
        } satisfies Load);
        return rate;
      };
      const ours = (count: number): Promise<number> => send(system.cluster.urls.subscriptionApi, '/api/ver1.0', count);
      await ours(requests / 2);
      await send(limitUrl, '', requests / 2);
      return async () => ({ limit: await send(limitUrl, '', requests), value: await ours(requests) });
    },
  };
}
