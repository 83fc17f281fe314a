import { createTopic } from '../lab/broker.js';
import type { Entrance } from '../lab/entrance.js';
import type { Lab } from '../lab/lab.js';
import { telemetryOf } from '../lab/population.js';
import type { Target } from '../lab/target.js';
import type { ThreeServices } from '../lab/three-services.js';
import type { Limit, Measurement } from '../row.js';
import type { Chain, ChainItem } from './chain.process.js';

/** How items are put through: flatOut or paced. */
type Put = (lab: Lab, entrance: Entrance, items: number) => Promise<Measurement>;

const AGENTS = 1000;

/** Builds the limit beside the three services: two processes and Kafka between them. */
export function batchedChain(put: Put): Limit<ThreeServices> {
  return {
    name: 'batched chain Fastify → kafkajs → undici, no database',
    prepare: async (lab, { brokers, processes }) => {
      const topic = await createTopic(brokers);
      const back = await lab.child('limits/chain.process');
      const front = await lab.child('limits/chain.process');
      await back.ask({ role: 'back', brokers, topic, origin: lab.receivers.origins[0]! } satisfies Chain);
      const url = await front.ask<string>({ role: 'front', brokers, topic } satisfies Chain);
      const entrance = { url, processes: { Kafka: processes['Kafka']!, limit: [front, back] }, next: items() };
      return (count) => put(lab, entrance, count);
    },
  };
}

/** Builds the limit beside the all-in-one: one process. */
export function withoutDatabase(put: Put): Limit<Target> {
  return {
    name: 'the same program without a database: Fastify → undici',
    prepare: async (lab) => {
      const chain = await lab.child('limits/chain.process');
      const url = await chain.ask<string>({ role: 'whole', origin: lab.receivers.origins[0]! } satisfies Chain);
      const entrance = { url, processes: { limit: [chain] }, next: items() };
      return (count) => put(lab, entrance, count);
    },
  };
}

function items(): Entrance['next'] {
  let nth = 0;
  return () => {
    const item: ChainItem = { ...telemetryOf(108, nth % AGENTS, true), sequence: ++nth };
    return { key: `${item.agent_id}:${item.sequence}`, item };
  };
}
