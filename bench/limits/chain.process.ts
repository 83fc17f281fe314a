import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import { Kafka, logLevel, Partitioners, type Message } from 'kafkajs';
import { Pool } from 'undici';
import { buildRequest, encodePairs, generateSecret, signingKey } from '#webhook';
import { serve } from '../lab/child.js';
import type { TelemetryJson } from '../lab/population.js';

/**
 * The whole path without a database, token, dedup, retry, or order beyond Kafka's: Fastify takes the item and writes it to Kafka,
 * a consumer in another process posts it, signed, to the receiver; or one process takes and posts it.
 */
export type Chain =
  | { readonly role: 'whole'; readonly origin: string }
  | { readonly role: 'front'; readonly brokers: string[]; readonly topic: string }
  | { readonly role: 'back'; readonly brokers: string[]; readonly topic: string; readonly origin: string };

/** Telemetry that knows its sequence, as nobody keeps it. */
export interface ChainItem extends TelemetryJson {
  readonly sequence: number;
}

/** How an item is posted to the receiver. */
function poster(origin: string): (item: ChainItem) => Promise<void> {
  const pool = new Pool(origin, { connections: 64 });
  const keys = [signingKey(generateSecret())];
  const url = `${origin}/login`;
  return async (item) => {
    const pairs = encodePairs({
      agentStatus: item.agent_status,
      agentType: item.agent_type,
      eventSource: item.event_source,
      agentId: item.agent_id,
      name: item.extension_name,
    });
    const { sequence } = item;
    const id = `${item.agent_id}_${sequence}`;
    const now = Date.now();
    const request = buildRequest(
      { method: 'POST', url, pairs, id, attempt: 1, sequence, occurredAt: now, at: now, keys },
      { origin, path: '/login' },
    );
    const { body } = await pool.request({ ...request, body: request.body ?? null });
    await body.dump();
  };
}

/** Takes items over HTTP. @returns where */
async function front(take: (item: ChainItem) => Promise<void>): Promise<string> {
  const app = Fastify();
  app.post<{ Body: ChainItem }>('/telemetry', async ({ body }) => {
    await take(body);
    return [{ result: 'changed' }];
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
}

/** Publishes what gathers while a request is in flight in the next one: a request for each item costs the broker three times as much. */
function batched(send: (messages: Message[]) => Promise<unknown>): (message: Message) => Promise<void> {
  let gathered: Message[] = [];
  let inFlight: Promise<unknown> = Promise.resolve();
  let next: Promise<unknown> | undefined;
  return async (message) => {
    gathered.push(message);
    next ??= inFlight.then(() => {
      const messages = gathered;
      gathered = [];
      next = undefined;
      return (inFlight = send(messages));
    });
    await next;
  };
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
  const { topic } = question;
  if (question.role === 'front') {
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    const publish = batched((messages) => producer.send({ topic, acks: -1, messages }));
    return front((item) => publish({ key: String(item.agent_id), value: JSON.stringify(item) }));
  }
  const post = poster(question.origin);
  const consumer = kafka.consumer({ groupId: `bench-chain-${process.pid}`, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const joined = new Promise<void>((resolve) => consumer.on('consumer.group_join', () => resolve()));
  await consumer.run({
    partitionsConsumedConcurrently: 12,
    eachBatch: async ({ batch }) => {
      await Promise.all(batch.messages.map(({ value }) => post(JSON.parse(value!.toString()) as ChainItem)));
    },
  });
  await joined;
  return null;
});
