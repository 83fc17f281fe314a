import { fetchToken } from '../../test/support/client.js';
import type { Lab } from '../lab/lab.js';
import { Population } from '../lab/population.js';
import { PLATFORM, type Target } from '../lab/target.js';
import { startRoutes } from '../limits/routes.js';
import type { Limit, Row } from '../row.js';

const CLIENTS = 64;
const CONNECTIONS = 64;

type Method = 'GET' | 'POST';

/** A row and its limit write agent events for clients of their own. */
const FIRST_CLIENT = { GET: { ours: 1000, limit: 1100 }, POST: { ours: 1200, limit: 1300 } } as const;

/** Agent events over REST, with a token, by many clients at once. */
export function agentEventsRow(method: Method, items = 6000): Row {
  return {
    name: `agent events, ${method} one, with a token`,
    unit: 'requests/s',
    figures: [{ goal: { of: 'ratio', atLeast: 0.6 } }],
    items,
    limit: bareStatement(method),
    prepare: async (lab, target) => {
      const requestsOf = await prepareClients(target, method, FIRST_CLIENT[method].ours, '/api/ver1.0');
      const token = await fetchToken(target.urls, PLATFORM.appId, PLATFORM.secret);
      return (count) => {
        const load = {
          origin: target.urls.subscriptionApi,
          token,
          method,
          requests: requestsOf(count),
          connections: CONNECTIONS,
        };
        return lab.metered(target, count, async () => void (await lab.load(load)));
      };
    },
  };
}

function bareStatement(method: Method): Limit {
  return {
    name: 'the same statement over pg from a bare Fastify route',
    prepare: async (lab, target) => {
      const requestsOf = await prepareClients(target, method, FIRST_CLIENT[method].limit, '');
      const { origin, processes } = await startRoutes(lab, target);
      return (count) => {
        const load = { origin, method, requests: requestsOf(count), connections: CONNECTIONS };
        return lab.metered({ processes, pool: target.pool }, count, async () => void (await lab.load(load)));
      };
    },
  };
}

type Requests = Parameters<Lab['load']>[0]['requests'];

/** @returns requests that go round the clients */
async function prepareClients(
  { pool }: Target,
  method: Method,
  first: number,
  prefix: string,
): Promise<(count: number) => Requests> {
  for (let client = first; client < first + CLIENTS; client++) {
    await Population.create(pool, client, 1, () => 'https://example.com/login');
    await pool.query('insert into subscription.client_usage (client_id, agent_event_used) values ($1, 2)', [client]);
  }
  const { rows } = await pool.query<{ id: string }>(
    `select min(id) as id from subscription.agent_event where client_id >= $1 and client_id < $2 group by client_id order by client_id`,
    [first, first + CLIENTS],
  );
  const body = JSON.stringify({ url: 'https://example.com/login', event_type: 'agent-login', method: 'POST' });
  return (count) =>
    Array.from({ length: count }, (_, nth) => {
      const client = nth % CLIENTS;
      const event = method === 'GET' ? rows[client]!.id : '';
      return {
        path: `${prefix}/client/${first + client}/agent/local/1/event/${event}`,
        body: method === 'POST' ? body : undefined,
      };
    });
}
