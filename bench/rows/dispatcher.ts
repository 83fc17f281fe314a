import type { Lab } from '../lab/lab.js';
import { Population } from '../lab/population.js';
import { untilNothingWaits } from '../lab/target.js';
import type { ThreeServices } from '../lab/three-services.js';
import type { Measurement, Row } from '../row.js';

/** Builds the row of status changes that wait in Kafka; the dispatcher stood still while they were written. */
export function dispatcherRow(items = 40_000): Row<ThreeServices> {
  return {
    name: 'dispatcher: changes waiting in Kafka → notified and recorded',
    unit: 'notifications/s',
    figures: [{ goal: { of: 'processor', atMost: 110 } }],
    items,
    limit: 'loop',
    prepare: async (lab, system) => {
      const agents = Math.min(items, 20_000);
      const population = await Population.create(system.pool, agents, () => `${lab.receivers.origins[0]}/login`);
      await dispatchRound(lab, system, population, agents);
      await system.pool.query('analyze');
      return (changes) => dispatchRound(lab, system, population, changes);
    },
  };
}

/** Has changes wait for the dispatcher, and lets it go. Each has one subscriber. */
export async function dispatchRound(
  lab: Lab,
  system: ThreeServices,
  population: Population,
  changes: number,
): Promise<Measurement> {
  await lab.receivers.reset();
  system.pause('dispatcher');
  await population.publishChanges(system, changes);
  return notifiedRound(lab, system, changes, () => system.resume('dispatcher'));
}

/** Measures from a beginning until so many notifications have come in and are recorded. */
export function notifiedRound(lab: Lab, system: ThreeServices, notifications: number, begin: () => void): Promise<Measurement> {
  const work = async (): Promise<void> => {
    begin();
    await lab.receivers.until(notifications);
    await untilNothingWaits(system.pool);
  };
  return lab.metered(system, notifications, work, system.settled);
}
