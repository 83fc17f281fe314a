import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { PRESENCE_GROUP, TELEMETRY_TOPIC } from '#contracts';
import { fetchToken } from '../../test/support/client.js';
import { bareRoutes, PLATFORM, seconds, type Lab, type System } from '../lab/lab.js';
import { Population } from '../lab/population.js';
import type { BatchCount } from '../limits/batch-count.process.js';
import type { Load, LoadResult } from '../load/http.process.js';
import type { Row } from '../row.js';

type Offsets = readonly { readonly partition: number; readonly offset: string }[];

/** Rows of telemetry in, of which one item in twenty changes something and nobody is subscribed to it. */

export function repeatsOverKafkaRow(lab: Lab, system: System, { agents = 20_000, items = 100_000 } = {}): Row {
  return {
    name: 'telemetry over Kafka, 95 % repeats',
    limit: 'bare kafkajs eachBatch that parses the JSON and counts',
    unit: 'items/s',
    goal: 0.5,
    prepare: async () => {
      const population = await Population.create(system.pool, 104, agents);
      const counter = await lab.child('limits/batch-count.process');
      const admin = new Kafka({ brokers: lab.kafka.brokers, logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      lab.onStop(() => admin.disconnect());
      const round = async (count: number): Promise<{ rate: number; from: Offsets }> => {
        const from = await ends(admin);
        await system.whileStopped(['presence', 'dispatcher'], () =>
          population.publishTelemetry(system.producer, population.mostlyRepeats(count)),
        );
        const to = await ends(admin);
        const took = await seconds(async () => {
          while (!(await isCommitted(admin, to))) await delay(10);
        });
        await system.untilPublished();
        return { rate: count / took, from };
      };
      const bareCount = (offsets: Offsets, records: number): Promise<number> =>
        counter.ask({ brokers: lab.kafka.brokers, topic: TELEMETRY_TOPIC, offsets, records } satisfies BatchCount);
      // The first pass over the agents makes them known as what they are.
      const { from } = await round(2 * agents);
      await bareCount(from, 2 * agents); // the limit, too, is measured warm
      await system.settle();
      return async () => {
        const { rate, from } = await round(items);
        return { value: rate, limit: await bareCount(from, items) };
      };
    },
  };
}

async function ends(admin: Admin): Promise<Offsets> {
  return (await admin.fetchTopicOffsets(TELEMETRY_TOPIC)).map(({ partition, offset }) => ({ partition, offset }));
}

async function isCommitted(admin: Admin, to: Offsets): Promise<boolean> {
  const [topic] = await admin.fetchOffsets({ groupId: PRESENCE_GROUP, topics: [TELEMETRY_TOPIC] });
  const committed = new Map(topic!.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
  return to.every(({ partition, offset }) => Number(offset) === 0 || committed.get(partition)! >= Number(offset));
}

export function arraysOverHttpRow(lab: Lab, system: System, { agents = 20_000, requests = 100, connections = 4 } = {}): Row {
  return {
    name: 'telemetry over HTTP, arrays of 1,000',
    limit: 'bare Fastify route that parses and validates the same',
    unit: 'items/s',
    goal: 0.4,
    prepare: async () => {
      const population = await Population.create(system.pool, 105, agents);
      const load = await lab.child('load/http.process');
      const limitUrl = await bareRoutes(lab, system);
      const token = await fetchToken(system.cluster.urls, PLATFORM.appId, PLATFORM.secret);
      const send = async (origin: string, count: number): Promise<number> => {
        const bodies = Array.from({ length: count }, () => JSON.stringify(population.mostlyRepeats(1000)));
        const { rate } = await load.ask<LoadResult>({
          origin,
          token,
          method: 'POST',
          requests: bodies.map((body) => ({ path: '/telemetry', body })),
          connections,
        } satisfies Load);
        await system.untilPublished();
        return rate * 1000;
      };
      await send(system.cluster.urls.presence, 40);
      await send(limitUrl, 40);
      return async () => ({ limit: await send(limitUrl, requests), value: await send(system.cluster.urls.presence, requests) });
    },
  };
}
