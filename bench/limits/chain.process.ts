import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { Pool } from 'undici';
import { serve } from '../lab/child.js';

/**
 * What the whole path takes at the least, and the limit of the latency: Fastify takes the item and writes it to Kafka, a consumer
 * in another process posts it to the receiver; or one process takes and posts it. No database, no token, no dedup, no retry, no
 * order beyond Kafka's.
 */
export type Chain =
  | { readonly role: 'whole'; readonly origin: string }
  | { readonly role: 'front'; readonly brokers: string[]; readonly topic: string }
  | { readonly role: 'back'; readonly brokers: string[]; readonly topic: string; readonly origin: string };

interface Item {
  readonly agent_id: number;
  readonly sequence: number;
}

/** How an item is posted to the receiver. */
function poster(origin: string): (item: Item) => Promise<void> {
  const pool = new Pool(origin, { connections: 64 });
  return async (item) => {
    const { body } = await pool.request({
      method: 'POST',
      path: '/login',
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'webhook-sequence': String(item.sequence) },
      body: `agent_status=available&agent_type=local&event_source=api&agent_id=${item.agent_id}`,
    });
    await body.dump();
  };
}

/** Takes items over HTTP. @returns where */
async function front(take: (item: Item) => Promise<void>): Promise<string> {
  const app = Fastify();
  app.post<{ Body: Item }>('/telemetry', async ({ body }) => {
    await take(body);
    return [{ result: 'changed' }];
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
}

serve<Chain>(async (question) => {
  if (question.role === 'whole') {
    const post = poster(question.origin);
    // Answered before it is posted, as a change is; a failure ends the process, and with it the bench.
    return front((item) => {
      void post(item);
      return Promise.resolve();
    });
  }
  const kafka = new Kafka({ brokers: question.brokers, clientId: 'bench-chain', logLevel: logLevel.NOTHING });
  if (question.role === 'front') {
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    return front(async (item) => {
      await producer.send({
        topic: question.topic,
        acks: -1,
        messages: [{ key: String(item.agent_id), value: JSON.stringify(item) }],
      });
    });
  }
  const post = poster(question.origin);
  const consumer = kafka.consumer({ groupId: `bench-chain-${process.pid}`, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topics: [question.topic], fromBeginning: true });
  const joined = new Promise<void>((resolve) => consumer.on('consumer.group_join', () => resolve()));
  await consumer.run({
    partitionsConsumedConcurrently: 12,
    eachBatch: async ({ batch }) => {
      await Promise.all(batch.messages.map(({ value }) => post(JSON.parse(value!.toString()) as Item)));
    },
  });
  await joined;
  return null;
});
