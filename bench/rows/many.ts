import type { Lab } from '../lab/lab.js';
import { Population } from '../lab/population.js';
import type { ThreeServices } from '../lab/three-services.js';
import type { Round, Row } from '../row.js';
import { dispatchRound } from './dispatcher.js';
import { telemetryRound } from './telemetry-over-kafka.js';

/** So many instances of presence and as many of the dispatcher, beside one of each. */
const INSTANCES = [2, 4] as const;

/** What is done by one instance and by several. */
interface Work {
  readonly name: string;
  readonly unit: Row['unit'];
  readonly items: number;
  /** Items that each instance has worked off before: those that have just started are cold, and those that stay have been given other partitions. */
  readonly warmUp: number;
  readonly prepare: (lab: Lab, system: ThreeServices, agents: number) => Promise<Round>;
}

const WORKS: readonly Work[] = [
  {
    name: 'changes waiting in Kafka → notified and recorded',
    unit: 'notifications/s',
    items: 80_000,
    warmUp: 30_000,
    prepare: async (lab, system, agents) => {
      const population = await Population.create(system.pool, agents, () => `${lab.receivers.origins[0]}/login`);
      return (changes) => dispatchRound(lab, system, population, changes);
    },
  },
  {
    name: 'telemetry over Kafka, 95 % repeats → written',
    unit: 'items/s',
    items: 200_000,
    warmUp: 100_000,
    prepare: async (lab, system, agents) => {
      const population = await Population.create(system.pool, agents);
      return (count) => telemetryRound(lab, system, population, '95 % repeats', count);
    },
  },
];

/**
 * Builds the rows of the same work for one instance of presence and of the dispatcher, which is the limit, and for several: no less in all.
 */
export function manyRows(items?: number): Row<ThreeServices>[] {
  return WORKS.flatMap((work) => INSTANCES.map((instances) => manyRow(work, instances, items)));
}

function manyRow({ name, unit, items: usual, warmUp, prepare }: Work, instances: number, items = usual): Row<ThreeServices> {
  return {
    name: `many: ${name}, ${instances} instances`,
    unit,
    figures: [{ goal: { of: 'ratio', atLeast: 0.9 } }],
    items,
    limit: 'one instance',
    isWarm: true,
    prepare: async (lab, system) => {
      const agents = Math.min(items, 20_000);
      const work = await prepare(lab, system, agents);
      await work(agents);
      await system.pool.query('analyze');
      const workWith = async (running: number, count: number) => {
        await system.scale(running);
        await work(Math.min(warmUp, items) * running);
        return work(count);
      };
      return async (count) => {
        const measured = await workWith(instances, count);
        return { ...measured, limit: await workWith(1, count) };
      };
    },
  };
}
