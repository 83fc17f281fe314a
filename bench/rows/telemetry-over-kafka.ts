import { createTopic } from '../lab/broker.js';
import type { Lab } from '../lab/lab.js';
import { Population, publishTelemetry, type Mixture } from '../lab/population.js';
import { until } from '../lab/target.js';
import type { ThreeServices } from '../lab/three-services.js';
import type { BatchCount } from '../limits/batch-count.process.js';
import type { Limit, Measurement, Row } from '../row.js';

/** Builds the row of telemetry that waits in Kafka; nobody is subscribed to the changes in it. */
export function telemetryOverKafkaRow(mixture: Mixture, atMost: number, items = 100_000): Row<ThreeServices> {
  return {
    name: `telemetry over Kafka, ${mixture}`,
    unit: 'items/s',
    figures: [{ goal: { of: 'processor', atMost } }],
    items,
    limit: BARE_COUNT,
    prepare: async (lab, system) => {
      const agents = Math.min(items, 20_000);
      const population = await Population.create(system.pool, agents);
      await telemetryRound(lab, system, population, mixture, agents); // makes the agents known as what they are
      await system.pool.query('analyze');
      return (count) => telemetryRound(lab, system, population, mixture, count);
    },
  };
}

/** Has telemetry wait for presence, and measures until all of it is taken. */
export async function telemetryRound(
  lab: Lab,
  system: ThreeServices,
  population: Population,
  mixture: Mixture,
  count: number,
): Promise<Measurement> {
  system.pause('presence', 'dispatcher');
  await publishTelemetry(system.producer, population.repeats(count, mixture));
  const work = async (): Promise<void> => {
    system.resume('presence', 'dispatcher');
    await system.untilTelemetryTaken();
  };
  return lab.metered(system, count, work, system.settled);
}

/** The same items from a topic of its own, while nobody else reads them. */
const BARE_COUNT: Limit<ThreeServices> = {
  name: 'bare kafkajs eachBatch that parses the JSON and counts',
  prepare: async (lab, { brokers, producer, pool, processes }) => {
    const population = await Population.create(pool, 20_000);
    const topic = await createTopic(brokers);
    const counter = await lab.child('limits/batch-count.process');
    const counted = (): Promise<number> => counter.ask({ do: 'count' } satisfies BatchCount);
    await counter.ask({ do: 'start', brokers, topic } satisfies BatchCount);
    return async (count) => {
      const expected = (await counted()) + count;
      process.kill(counter.pid, 'SIGSTOP');
      await publishTelemetry(producer, population.repeats(count, 'repeats alone'), topic);
      const work = async (): Promise<void> => {
        process.kill(counter.pid, 'SIGCONT');
        await until(
          async () => (await counted()) >= expected,
          async () => `${await counted()} of ${expected} counted`,
        );
      };
      return lab.metered({ processes: { Kafka: processes['Kafka']!, limit: [counter] } }, count, work);
    };
  },
};
