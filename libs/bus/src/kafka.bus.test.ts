import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { createLogger } from '#runtime';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../../../test/support/poll.js';
import type { Bus } from './bus.js';
import { consume, describeBus } from './bus.conformance.js';
import { createKafkaBus } from './kafka.bus.js';

const brokers = inject('kafkaBrokers');
const connect = (prefix = ''): Bus =>
  createKafkaBus({
    brokers,
    prefix,
    clientId: `test-${randomUUID()}`,
    partitions: 4,
    logger: createLogger('test', process.env['BUS_LOG'] ?? 'silent'),
  });

async function newTopic(suffix = ''): Promise<string> {
  const topic = `topic-${randomUUID()}${suffix}`;
  const bus = connect();
  await bus.ensureTopics([topic]);
  await bus.close();
  return topic;
}

describeBus('kafka bus', brokers.length === 0, 15, () =>
  Promise.resolve({ connect, topic: () => newTopic(), close: () => Promise.resolve() }),
);

describe.skipIf(brokers.length === 0)('kafka bus alone', () => {
  function open(prefix = ''): Bus {
    const bus = connect(prefix);
    onTestFinished(() => bus.close());
    return bus;
  }

  it('makes topics once, whoever else does at the same time', async () => {
    const topics = [`a-${randomUUID()}`, `b-${randomUUID()}`];
    await Promise.all([open(), open(), open()].map((bus) => bus.ensureTopics(topics)));
    await open().ensureTopics(topics);
  });

  it('keeps what goes by one prefix apart from what goes by another, topics and groups of the same names', async () => {
    const [topic, group] = [`topic-${randomUUID()}`, randomUUID()];
    const prefixes = [`eu_${randomUUID()}.`, `us_${randomUUID()}.`, ''];
    const seen = prefixes.map(() => [] as string[]);
    for (const [index, prefix] of prefixes.entries()) {
      const bus = open(prefix);
      await bus.ensureTopics([topic]);
      const consumer = await consume(bus, topic, group, ({ records }) => {
        seen[index]!.push(...records.map((record) => `${record.topic} ${String(record.value)}`));
      });
      onTestFinished(() => consumer.close());
      await bus.producer().send(topic, [{ key: 'k', value: prefix }]);
    }
    await eventually('all', () => seen.every((values) => values.length > 0));
    expect(seen).toEqual(prefixes.map((prefix) => [`${topic} ${prefix}`]));
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    onTestFinished(() => admin.disconnect());
    const topics = await admin.listTopics();
    const groups = (await admin.listGroups()).groups.map(({ groupId }) => groupId);
    for (const prefix of prefixes) {
      expect(topics).toContain(`${prefix}${topic}`);
      expect(groups).toContain(`${prefix}${group}`);
    }
  });

  it('takes the largest record into a dead-letter topic with a reason added', async () => {
    const value = Buffer.alloc(1_048_000, 'x');
    const topic = await newTopic();
    const deadLetters = await newTopic('.dlq');
    const producer = open().producer();
    await producer.send(topic, [{ key: 'k', value }]);
    await producer.send(deadLetters, [{ key: 'k', value, headers: { 'rollcall-error': 'y'.repeat(4000) } }]);
    const seen: number[] = [];
    const consumer = await consume(open(), deadLetters, randomUUID(), ({ records }) => {
      seen.push(records[0]!.value!.length);
    });
    onTestFinished(() => consumer.close());
    await eventually('the dead letter', () => seen.length === 1);
    expect(seen).toEqual([value.length]);
  });

  it.each([
    ['no key', null],
    ['a key as long', 'k'.repeat(1_000_000)],
  ])('does not stand still over a large record with %s', async (_, key) => {
    const topic = await newTopic('.dlq');
    const value = Buffer.alloc(1_000_000, 'x');
    // Each is answered long before the partitioner of kafkajs would have had a look at either.
    await open().producer().send(topic, [{ key, value }]);
  });

  it('splits a send that is larger than a request', async () => {
    const topic = await newTopic();
    const values = Array.from({ length: 60 }, (_, index) => `${index}:${'x'.repeat(50_000)}`);
    const seen: string[] = [];
    const consumer = await consume(open(), topic, randomUUID(), ({ records }) => {
      seen.push(...records.map((record) => String(record.value)));
    });
    onTestFinished(() => consumer.close());
    await open()
      .producer()
      .send(
        topic,
        values.map((value) => ({ key: 'k', value })),
      );
    await eventually('all', () => seen.length === 60);
    expect(seen).toEqual(values);
  });

  it('keeps a partition, and serves the others, while a handler takes longer than the session', { timeout: 60_000 }, async () => {
    const topic = await newTopic();
    const calls: string[] = [];
    const others: string[] = [];
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let signal: AbortSignal | undefined;
    const group = randomUUID();
    const consumer = await consume(open(), topic, group, async (batch) => {
      for (const { key, value } of batch.records) if (key !== 'slow') others.push(String(value));
      if (!batch.records.some(({ key }) => key === 'slow')) return;
      calls.push('slow');
      signal = batch.signal;
      await gate;
    });
    onTestFinished(() => consumer.close());
    const producer = open().producer();
    await producer.send(topic, [{ key: 'slow', value: 'slow' }]);
    await eventually('the slow one', () => calls.length === 1);
    // Longer than the session: what is waited for is the broker's patience, not ours.
    const until = Date.now() + 12_000;
    let sent = 0;
    await eventually(
      'records of other partitions for longer than the session',
      async () => {
        await producer.send(
          topic,
          Array.from({ length: 20 }, (_, index) => ({ key: `key ${index}`, value: String(sent++) })),
        );
        return Date.now() > until;
      },
      30_000,
    );
    await eventually('others', () => others.length > sent / 3);
    expect(signal?.aborted).toBe(false);
    release();
    await eventually('all', () => new Set(others).size === sent);
    expect(calls).toEqual(['slow']);
    await consumer.close();
    const again: string[] = [];
    const next = await consume(
      open(),
      topic,
      group,
      ({ records }) => void again.push(...records.map((one) => String(one.value))),
    );
    onTestFinished(() => next.close());
    await producer.send(topic, [{ key: 'slow', value: 'marker' }]);
    await eventually('the marker', () => again.length > 0);
    expect(again).toEqual(['marker']);
  });

  it('aborts a handler whose partition is taken away, and keeps nothing of what it did', { timeout: 60_000 }, async () => {
    const topic = await newTopic();
    const group = randomUUID();
    let blocked: AbortSignal | undefined;
    const first = await consume(open(), topic, group, async ({ signal }) => {
      blocked ??= signal;
      await new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve())));
    });
    onTestFinished(() => first.close());
    const producer = open().producer();
    await producer.send(topic, [{ key: 'k', value: 'v' }]);
    await eventually('the first consumer', () => blocked !== undefined);
    const seen: string[] = [];
    const second = await consume(
      open(),
      topic,
      group,
      ({ records }) => void seen.push(...records.map((one) => String(one.value))),
    );
    onTestFinished(() => second.close());
    await eventually('the abort', () => blocked!.aborted, 20_000);
    await first.close();
    await eventually('the second consumer', () => seen.length > 0, 20_000);
    expect(seen).toEqual(['v']);
  });
});
