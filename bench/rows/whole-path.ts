import type { Lab } from '../lab/lab.js';
import { Population, publishTelemetry } from '../lab/population.js';
import type { ThreeServices } from '../lab/three-services.js';
import type { Measurement, Row } from '../row.js';
import { notifiedRound } from './dispatcher.js';

/** Builds the row of telemetry that waits in Kafka, each item a real change with one subscriber. */
export function wholePathRow(items = 40_000): Row<ThreeServices> {
  return {
    name: 'whole path: telemetry waiting in Kafka → notified and recorded',
    unit: 'notifications/s',
    figures: [{ goal: { of: 'processor', atMost: 200 } }],
    items,
    limit: 'loop',
    prepare: async (lab, system) => {
      const agents = Math.min(items, 20_000);
      const population = await Population.create(system.pool, agents, () => `${lab.receivers.origins[0]}/login`);
      await pathRound(lab, system, population, agents);
      await system.pool.query('analyze');
      return (changes) => pathRound(lab, system, population, changes);
    },
  };
}

/** Has telemetry wait for presence, and lets it and the dispatcher go. */
export async function pathRound(lab: Lab, system: ThreeServices, population: Population, changes: number): Promise<Measurement> {
  await lab.receivers.reset();
  system.pause('presence', 'dispatcher');
  const items = Array.from({ length: changes }, () => population.nextTelemetry());
  await publishTelemetry(system.producer, items);
  return notifiedRound(lab, system, changes, () => system.resume('presence', 'dispatcher'));
}
