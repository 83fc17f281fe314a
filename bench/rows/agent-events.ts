import { fetchToken } from '../../test/support/client.js';
import { Population } from '../lab/population.js';
import { PLATFORM, type Target } from '../lab/target.js';
import { startRoutes } from '../limits/routes.js';
import type { Load } from '../load/http.process.js';
import type { Limit, Row } from '../row.js';

const CLIENTS = 64;
const CONNECTIONS = 64;

type Method = 'GET' | 'POST';

/** Builds the row of agent events over REST, with a token, by many clients at once. */
export function agentEventsRow(method: Method, items = 6000): Row {
  return {
    name: `agent events, ${method} one, with a token`,
    unit: 'requests/s',
    figures: [{ goal: { of: 'ratio', atLeast: 0.6 } }],
    items,
    limit: bareStatement(method),
    prepare: async (lab, target) => {
      const requestsOf = await prepareClients(target, method, '/api/ver1.0');
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
      const requestsOf = await prepareClients(target, method, '');
      const { origin, processes } = await startRoutes(lab, target);
      return (count) => {
        const load = { origin, method, requests: requestsOf(count), connections: CONNECTIONS };
        return lab.metered({ processes, pool: target.pool }, count, async () => void (await lab.load(load)));
      };
    },
  };
}

type Requests = Load['requests'];

/** Writes clients of one agent with two agent events. @returns requests that go round them */
async function prepareClients({ pool }: Target, method: Method, prefix: string): Promise<(count: number) => Requests> {
  const paths: string[] = [];
  for (let nth = 0; nth < CLIENTS; nth++) {
    const { clientId } = await Population.create(pool, 1, () => 'https://example.com/login');
    await pool.query('insert into subscription.client_usage (client_id, agent_event_used) values ($1, 2)', [clientId]);
    const { rows } = await pool.query<{ id: string }>('select min(id) as id from subscription.agent_event where client_id = $1', [
      clientId,
    ]);
    paths.push(`${prefix}/client/${clientId}/agent/local/1/event/${method === 'GET' ? rows[0]!.id : ''}`);
  }
  const body = JSON.stringify({ url: 'https://example.com/login', event_type: 'agent-login', method: 'POST' });
  return (count) =>
    Array.from({ length: count }, (_, nth) => ({
      path: paths[nth % CLIENTS]!,
      body: method === 'POST' ? body : undefined,
    }));
}
