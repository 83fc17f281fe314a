import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { SERVICES, type ServiceName } from '../../test/support/cluster.js';
import { Population } from '../lab/population.js';
import type { ThreeServices } from '../lab/three-services.js';
import type { Figure, Row } from '../row.js';
import { dispatchRound } from './dispatcher.js';
import { pathRound } from './whole-path.js';

const REST_MIB = 110;
const LOADED_MIB = 200;
/** After which a service that has started is at rest, in milliseconds. */
const REST_MS = 5000;

const FIGURES = SERVICES.flatMap((service): Figure[] => [
  { name: `${service} at rest`, goal: { of: 'value', atMost: REST_MIB } },
  { name: `${service} under load`, goal: { of: 'value', atMost: LOADED_MIB } },
]);

/**
 * Builds the row of the resident size of each service: as it started, so this row comes first, and the most of it that was seen while
 * changes that waited in Kafka, and then telemetry, were worked off.
 */
export function memoryRow(items = 40_000): Row<ThreeServices> {
  return {
    name: 'memory',
    unit: 'MiB',
    figures: FIGURES,
    items,
    prepare: async (lab, system) => {
      await delay(REST_MS);
      const rest = SERVICES.map((service) => memoryOf(system, service));
      const most = new Map<ServiceName, number>();
      const agents = Math.min(items, 20_000);
      const urlOf = (): string => `${lab.receivers.origins[0]}/login`;
      const changing = await Population.create(system.pool, agents, urlOf);
      const reported = await Population.create(system.pool, agents, urlOf);
      return async (count) => {
        const timer = setInterval(() => {
          for (const service of SERVICES) most.set(service, Math.max(most.get(service) ?? 0, memoryOf(system, service)));
        }, 200);
        try {
          const { seconds } = await dispatchRound(lab, system, changing, count);
          const measured = await pathRound(lab, system, reported, count);
          const values = SERVICES.flatMap((service, nth) => [rest[nth]!, most.get(service) ?? NaN]);
          return { items: 2 * count, seconds: seconds + measured.seconds, values };
        } finally {
          clearInterval(timer);
        }
      };
    },
  };
}

/** @returns MiB; NaN where the system has no /proc */
function memoryOf(system: ThreeServices, service: ServiceName): number {
  const status = readFileSync(`/proc/${system.pid(service)}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}
