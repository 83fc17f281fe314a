import { randomBytes } from 'node:crypto';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createLogger } from '#runtime';
import { inspectKafka } from './kafka.inspection.js';

const brokers = inject('kafkaBrokers');

describe.skipIf(brokers.length === 0)('the inspection of a Kafka cluster', () => {
  const topic = `inspected.${randomBytes(4).toString('hex')}`;
  const groupId = `${topic}.group`;
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
  let admin: Admin;

  beforeAll(async () => {
    admin = kafka.admin();
    await admin.connect();
    const configEntries = [{ name: 'cleanup.policy', value: 'compact' }];
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 3, configEntries }] });
  });

  afterAll(async () => {
    await admin.deleteTopics({ topics: [topic] });
    await admin.disconnect();
  });

  const inspect = () =>
    inspectKafka(
      { brokers, clientId: 'inspection', partitions: 12, logger: createLogger('inspection', 'silent') },
      [topic, `${topic}.missing`],
      [{ id: groupId, topic }],
    );

  it('sees topics with their settings, and those that are missing', async () => {
    expect(await inspect()).toMatchObject({
      brokers: 1,
      topics: [{ name: topic, partitions: 3, replicas: 1, leaderless: 0, configs: { 'cleanup.policy': 'compact' } }],
      missingTopics: [`${topic}.missing`],
      creationRefused: undefined,
    });
  });

  it('sees how far behind a group is, also one that has never committed', async () => {
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic, messages: Array.from({ length: 5 }, (_, n) => ({ key: `k${n}`, value: 'v' })) });
    await producer.disconnect();
    expect((await inspect()).groups).toEqual([{ id: groupId, state: expect.any(String) as string, members: 0, lag: 5 }]);
    const ends = await admin.fetchTopicOffsets(topic);
    await admin.setOffsets({ groupId, topic, partitions: ends.map(({ partition, high }) => ({ partition, offset: high })) });
    expect((await inspect()).groups).toMatchObject([{ id: groupId, lag: 0 }]);
  });
});
