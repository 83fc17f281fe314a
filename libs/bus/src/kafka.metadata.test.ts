import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { createLogger } from '#runtime';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../../../test/support/poll.js';
import { consume } from './bus.conformance.js';
import { createKafkaBus } from './kafka.bus.js';
import { readTopicId } from './kafka.metadata.js';

const brokers = inject('kafkaBrokers');

describe.skipIf(brokers.length === 0)('the id of a topic', () => {
  it('is the same for all, for as long as there is the topic, and another for the next topic of that name', async () => {
    const topic = `topic-${randomUUID()}`;
    const kafka = new Kafka({ clientId: 'test', brokers: [...brokers], logLevel: logLevel.NOTHING, retry: { retries: 20 } });
    const bus = createKafkaBus({ brokers, clientId: 'test', partitions: 3, logger: createLogger('test', 'silent') });
    onTestFinished(() => bus.close());
    await bus.ensureTopics([topic]);
    const seen: { id: string; value: string }[] = [];
    const consumer = await consume(bus, topic, randomUUID(), async ({ records, topicId }) => {
      const id = await topicId();
      seen.push(...records.map(({ value }) => ({ id, value: String(value) })));
    });
    onTestFinished(() => consumer.close());
    const producer = bus.producer();
    await producer.send(topic, [{ key: 'k', value: 'one' }]);
    await eventually('the first record', () => seen.length === 1);
    expect(seen).toEqual([{ id: await readTopicId(kafka, topic), value: 'one' }]);
    expect(seen[0]!.id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);

    const admin = kafka.admin();
    await admin.connect();
    onTestFinished(() => admin.disconnect());
    await admin.deleteTopics({ topics: [topic] });
    await eventually('the topic gone', async () => !(await admin.listTopics()).includes(topic));
    await bus.ensureTopics([topic]);
    await eventually(
      'a record of the next topic',
      async () => {
        await producer.send(topic, [{ key: 'k', value: 'two' }]);
        return seen.some(({ value }) => value === 'two');
      },
      60_000,
    );
    const next = seen.find(({ value }) => value === 'two')!.id;
    expect(next).toBe(await readTopicId(kafka, topic));
    expect(next).not.toBe(seen[0]!.id);
  }, 90_000);

  it('is not told of a topic that is not there', async () => {
    const kafka = new Kafka({ clientId: 'test', brokers: [...brokers], logLevel: logLevel.NOTHING });
    await expect(readTopicId(kafka, `none-${randomUUID()}`)).rejects.toThrow('does not tell the id of topic');
  });
});
