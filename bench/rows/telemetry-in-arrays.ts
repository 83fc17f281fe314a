import { fetchToken } from '../../test/support/client.js';
import { Population, type Mixture } from '../lab/population.js';
import { PLATFORM } from '../lab/target.js';
import { startRoutes } from '../limits/routes.js';
import type { Limit, Row } from '../row.js';

const PER_REQUEST = 1000;
const CONNECTIONS = 4;

/** Builds the row of telemetry over HTTP; nobody is subscribed to the changes in it. */
export function telemetryInArraysRow(mixture: Mixture, atMost: number, items = 100_000): Row {
  return {
    name: `telemetry over HTTP in arrays, ${mixture}`,
    unit: 'items/s',
    figures: [{ goal: { of: 'processor', atMost } }],
    items,
    limit: BARE_ROUTE,
    prepare: async (lab, target) => {
      const agents = Math.min(items, 20_000);
      const population = await Population.create(target.pool, agents);
      const token = await fetchToken(target.urls, PLATFORM.appId, PLATFORM.secret);
      const round = (count: number) => {
        const requests = arraysOf(population, count, mixture);
        const send = () => lab.load({ origin: target.urls.presence, token, method: 'POST', requests, connections: CONNECTIONS });
        return lab.metered(target, count, async () => void (await send()), target.settled);
      };
      await round(agents); // makes the agents known as what they are
      await target.pool.query('analyze');
      return round;
    },
  };
}

const BARE_ROUTE: Limit = {
  name: 'bare Fastify route that parses and validates the same',
  prepare: async (lab, target) => {
    const population = await Population.create(target.pool, 20_000);
    const { origin, processes } = await startRoutes(lab, target);
    return (count) => {
      const requests = arraysOf(population, count, 'repeats alone');
      const send = () => lab.load({ origin, method: 'POST', requests, connections: CONNECTIONS });
      return lab.metered({ processes }, count, async () => void (await send()));
    };
  },
};

function arraysOf(population: Population, count: number, mixture: Mixture): { readonly path: string; readonly body: string }[] {
  const items = population.repeats(count, mixture);
  return Array.from({ length: Math.ceil(count / PER_REQUEST) }, (_, nth) => ({
    path: '/telemetry',
    body: JSON.stringify(items.slice(nth * PER_REQUEST, (nth + 1) * PER_REQUEST)),
  }));
}
