import { Population } from '../lab/population.js';
import type { ThreeServices } from '../lab/three-services.js';
import type { Measurement, Row } from '../row.js';

/** Builds the row of five origins, one of which never answers: what becomes of the other four, beside what they get when all are well. */
export function deadOriginRow(items = 20_000): Row<ThreeServices> {
  return {
    name: 'one dead origin in five: the others',
    unit: 'notifications/s',
    figures: [{ goal: { of: 'ratio', atLeast: 0.9 } }],
    items,
    prepare: async (lab, system) => {
      const { origins } = lab.receivers;
      const agents = Math.min(items, 20_000);
      const population = await Population.create(system.pool, agents, (agent) => `${origins[agent % origins.length]}/login`);
      const others = async (changes: number, hang?: number): Promise<Measurement> => {
        await lab.receivers.reset(hang === undefined ? {} : { hang });
        system.pause('dispatcher');
        await population.publishChanges(system, changes);
        const ofOthers = (changes / origins.length) * (origins.length - 1);
        const measured = await lab.metered(system, ofOthers, async () => {
          system.resume('dispatcher');
          await lab.receivers.until(hang === undefined ? changes : ofOthers);
        });
        await lab.receivers.reset(); // well again, and what waits for it goes out: none of it may be left in the next sample
        await system.settled();
        return measured;
      };
      await others(agents);
      await system.pool.query('analyze');
      return async (changes) => {
        const limit = await others(changes);
        return { ...(await others(changes, 0)), limit };
      };
    },
  };
}
