import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { Pool } from 'undici';
import { serve } from '../lab/child.js';

/**
 * The limit of the latency: Fastify takes the item and writes it to Kafka, a consumer in another process posts it to the
 * receiver. No database, no dedup, no retry, no order beyond Kafka's.
 */
export type Chain =
  | { readonly role: 'front'; readonly brokers: string[]; readonly topic: string }
  | { readonly role: 'back'; readonly brokers: string[]; readonly topic: string; readonly origin: string };

serve<Chain>(async (question) => {
  const kafka = new Kafka({ brokers: question.brokers, clientId: 'bench-chain', logLevel: logLevel.NOTHING });
  if (question.role === 'front') {
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    const app = Fastify();
    app.post<{ Body: { agent_id: number; sequence: number } }>('/telemetry', async ({ body }) => {
      await producer.send({
        topic: question.topic,
        acks: -1,
        messages: [{ key: String(body.agent_id), value: JSON.stringify(body) }],
      });
      return [{ result: 'changed' }];
    });
    await app.listen({ host: '127.0.0.1', port: 0 });
    return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  }
  const pool = new Pool(question.origin, { connections: 64 });
  const consumer = kafka.consumer({ groupId: `bench-chain-${process.pid}`, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topics: [question.topic], fromBeginning: true });
  const joined = new Promise<void>((resolve) => consumer.on('consumer.group_join', () => resolve()));
  await consumer.run({
    partitionsConsumedConcurrently: 12,
    eachBatch: async ({ batch }) => {
      await Promise.all(
        batch.messages.map(async ({ value }) => {
          const item = JSON.parse(value!.toString()) as { agent_id: number; sequence: number };
          const { body } = await pool.request({
            method: 'POST',
            path: '/login',
            headers: { 'content-type': 'application/x-www-form-urlencoded', 'webhook-sequence': String(item.sequence) },
            body: `agent_status=available&agent_type=local&event_source=api&agent_id=${item.agent_id}`,
          });
          await body.dump();
        }),
      );
    },
  });
  await joined;
  return null;
});
