import { randomBytes } from 'node:crypto';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createLogger } from '#runtime';
import { BusMetrics } from './bus-metrics.js';
import type { BusPartitions } from './bus.js';
import { ConsumerLag } from './kafka.lag.js';

const brokers = inject('kafkaBrokers');

describe.skipIf(brokers.length === 0)('the lag of a consumer group', () => {
  const topic = `lag.${randomBytes(4).toString('hex')}`;
  const groupId = `${topic}.group`;
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
  const registry = new Registry();
  let assigned: BusPartitions = new Map([[topic, [0, 2]]]);
  const lag = new ConsumerLag({
    ...{ kafka, groupId, metrics: new BusMetrics(registry), logger: createLogger('lag', 'silent') },
    assigned: () => assigned,
  });
  let admin: Admin;

  beforeAll(async () => {
    admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 3 }] });
    const producer = kafka.producer();
    await producer.connect();
    const messages = [0, 0, 0, 1, 2].map((partition) => ({ partition, value: 'v' }));
    await producer.send({ topic, messages });
    await producer.disconnect();
  });

  afterAll(async () => {
    await lag.stop();
    await admin.deleteTopics({ topics: [topic] });
    await admin.disconnect();
  });

  const lags = async () => {
    await lag.look();
    const { values } = await registry.getSingleMetric('rollcall_consumer_lag_records')!.get();
    return Object.fromEntries(values.map(({ labels, value }) => [String(labels['partition']), value]));
  };

  it('is that of the partitions that are the member’s, from the oldest record on until something is committed', async () => {
    expect(await lags()).toEqual({ 0: 3, 2: 1 });
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '2' }] });
    expect(await lags()).toEqual({ 0: 1, 2: 1 });
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 2, offset: '1' }] }); // by retention, too
    expect(await lags()).toEqual({ 0: 1, 2: 0 });
  });

  it('is not told of partitions that went to others', async () => {
    assigned = new Map([[topic, [1]]]);
    expect(await lags()).toEqual({ 1: 1 });
    assigned = new Map();
    expect(await lags()).toEqual({});
  });
});
