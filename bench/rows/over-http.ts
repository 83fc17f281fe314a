import { fetchToken } from '../../test/support/client.js';
import { flatOut, paced, type Entrance } from '../lab/entrance.js';
import type { Lab } from '../lab/lab.js';
import { Population } from '../lab/population.js';
import { PLATFORM, untilNothingWaits, type Target } from '../lab/target.js';
import type { Limit, Row } from '../row.js';

/** Builds the row that is measured as the peers were: one item a request, 64 connections, one subscriber. */
export function itemARequestRow<T extends Target>(of: string, atMost: number, limit: Limit<T>, items = 10_000): Row<T> {
  return {
    name: `an item a request over HTTP, 64 connections: ${of}`,
    unit: 'notifications/s',
    figures: [{ goal: { of: 'processor', atMost } }],
    items,
    limit,
    prepare: async (lab, target) => {
      const agents = Math.min(items, 10_000);
      const entrance = await entranceOf(lab, target, agents);
      await flatOut(lab, entrance, agents);
      await target.pool.query('analyze');
      return (count) => flatOut(lab, entrance, count);
    },
  };
}

/** Builds the row of the time from the telemetry's POST being sent to the notification being received, at 200 a second. */
export function latencyRow<T extends Target>(
  of: string,
  [p50, p99]: readonly [number, number],
  limit: Limit<T>,
  items = 2000,
): Row<T> {
  return {
    name: `latency at 200 changes/s: ${of}`,
    unit: 'ms',
    figures: [
      { name: 'p50', goal: { of: 'value', atMost: p50 } },
      { name: 'p99', goal: { of: 'value', atMost: p99 } },
    ],
    items,
    limit,
    prepare: async (lab, target) => {
      const entrance = await entranceOf(lab, target, Math.min(items, 1000));
      await paced(lab, entrance, items);
      await target.pool.query('analyze');
      return (count) => paced(lab, entrance, count);
    },
  };
}

/** Presence's, for agents of a client of their own that have one subscriber. */
async function entranceOf(lab: Lab, target: Target, agents: number): Promise<Entrance> {
  const population = await Population.create(target.pool, agents, () => `${lab.receivers.origins[0]}/login`);
  return {
    url: target.urls.presence,
    token: await fetchToken(target.urls, PLATFORM.appId, PLATFORM.secret),
    processes: target.processes,
    pool: target.pool,
    next: () => {
      const { agent, sequence, item } = population.nextNamed();
      return { key: `${agent + 1}:${sequence}`, item };
    },
    recorded: () => untilNothingWaits(target.pool),
    settled: target.settled,
  };
}
