import { randomUUID } from 'node:crypto';
import { readFile, rm, writeFile, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLogger } from '#runtime';
import { LocalKafka } from '../../../test/support/kafka.js';
import { eventually } from '../../../test/support/poll.js';
import { BusMetrics } from './bus-metrics.js';
import type { Bus, BusProducer, BusRecord } from './bus.js';
import { consume, type TestConsumer } from './bus.conformance.js';
import { createKafkaBus } from './kafka.bus.js';

const WAIT_MS = 60_000;

// What befalls the broker's own data: it has one of its own.
describe.skipIf((await LocalKafka.missing()) !== undefined)('kafka bus and lost or damaged data', { timeout: 180_000 }, () => {
  let dataDir: string;
  let kafka: LocalKafka;
  let client: Kafka;
  let admin: Admin;
  let bus: Bus;
  let producer: BusProducer;
  let topic: string;
  let group: string;
  let seen: BusRecord[];
  let registry: Registry;
  let metrics: BusMetrics;
  let consumer: TestConsumer | undefined;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'rollcall-kafka-'));
    kafka = await LocalKafka.start({ dataDir });
    client = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING });
  }, 120_000);

  beforeEach(async () => {
    admin = client.admin();
    await admin.connect();
    topic = `topic-${randomUUID()}`;
    group = randomUUID();
    seen = [];
    registry = new Registry();
    metrics = new BusMetrics(registry);
    bus = createKafkaBus({ brokers: kafka.brokers, clientId: 'test', partitions: 3, logger: createLogger('test', 'silent') });
    producer = bus.producer();
    await bus.ensureTopics([topic]);
  });

  afterEach(async () => {
    await consumer?.close();
    consumer = undefined;
    await bus.close();
    await admin.disconnect();
  }, 60_000);

  afterAll(async () => {
    await kafka?.stop();
    await rm(dataDir, { recursive: true, force: true });
  }, 60_000);

  const read = async (): Promise<void> => {
    const handle = ({ records }: { records: readonly BusRecord[] }): void => void seen.push(...records);
    consumer = await consume(bus, topic, group, handle, { metrics });
  };
  const texts = (): string[] => seen.map(({ value }) => String(value));
  /** What a relay does: sends the same again until it is taken. */
  const sendUntilTaken = (...values: string[]): Promise<unknown> =>
    eventually(
      'the records are taken',
      () =>
        producer
          .send(
            topic,
            values.map((value) => ({ key: 'k', value })),
          )
          .then(() => true),
      WAIT_MS,
    );
  const partitions = async (): Promise<number> => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]!.partitions.length;
  };
  const ready = (): Promise<boolean> => bus.check().then(() => true);

  it('makes a topic again that is deleted, and goes on from its start', async () => {
    await read();
    await sendUntilTaken('1', '2', '3', '4', '5');
    await eventually('the first records', () => seen.length === 5, WAIT_MS);
    await admin.deleteTopics({ topics: [topic] });
    await eventually(
      'it is told',
      () =>
        bus.check().then(
          () => false,
          (error: Error) => /missing/.test(error.message),
        ),
      WAIT_MS,
    );
    await sendUntilTaken('new 1', 'new 2');
    await eventually('the new records', () => texts().includes('new 2'), WAIT_MS);
    expect(texts().filter((text) => text.startsWith('new'))).toEqual(['new 1', 'new 2']);
    expect(await partitions()).toBe(3);
    await eventually('ready', ready, WAIT_MS);
  });

  it('makes a topic again that nobody reads or writes', async () => {
    await admin.deleteTopics({ topics: [topic] });
    await eventually('the topic is there again', () => partitions().then((count) => count === 3), WAIT_MS);
  });

  it.each([
    ['fewer', 1],
    ['more', 6],
  ])('goes on when an operator makes it again with %s partitions', async (_, numPartitions) => {
    await read();
    await sendUntilTaken(...Array.from({ length: 20 }, (_, index) => `old ${index}`));
    await eventually('the first records', () => seen.length === 20, WAIT_MS);
    await admin.deleteTopics({ topics: [topic] });
    await eventually(
      'the topic is made',
      () => admin.createTopics({ topics: [{ topic, numPartitions }] }).then(() => true),
      WAIT_MS,
    );
    const sent = Array.from({ length: 30 }, (_, index) => `new ${index}`);
    for (const value of sent) {
      await eventually('it is taken', () => producer.send(topic, [{ key: value, value }]).then(() => true), WAIT_MS);
    }
    await eventually('all of them', () => sent.every((value) => texts().includes(value)), WAIT_MS);
  });

  it('goes on with a broker that has lost everything', async () => {
    await read();
    await sendUntilTaken('1', '2', '3');
    await eventually('the first records', () => seen.length === 3, WAIT_MS);
    await kafka.restartEmpty();
    await sendUntilTaken('new');
    await eventually('the new record', () => texts().includes('new'), WAIT_MS);
    await eventually('ready', ready, WAIT_MS);
  });

  it('passes over what the disk has damaged, says so, and keeps it passed', async () => {
    for (const value of ['1', 'damaged', '3']) await sendUntilTaken(value);
    const { partition } = (await admin.fetchTopicOffsets(topic)).find(({ high }) => high === '3')!;
    await kafka.kill();
    const log = join(dataDir, 'log', `${topic}-${partition}`, '00000000000000000000.log');
    const bytes = await readFile(log);
    bytes[bytes.indexOf('damaged')]! ^= 1;
    await writeFile(log, bytes);
    await writeFile(join(dataDir, 'log', '.kafka_cleanshutdown'), '{"version":0,"brokerEpoch":-1}'); // or it would be cut off
    await kafka.restart();
    await read();
    await eventually('what is behind it', () => texts().includes('3'), WAIT_MS);
    expect(seen.map(({ unreadable }) => unreadable)).toEqual([
      undefined,
      { reason: 'its checksum is wrong', firstOffset: '1' },
      undefined,
    ]);
    expect(await registry.metrics()).toContain(`rollcall_bus_unreadable_total{topic="${topic}"} 1`);
    await consumer!.close();
    seen.length = 0;
    await read();
    await sendUntilTaken('4');
    await eventually('the next', () => texts().includes('4'), WAIT_MS);
    expect(texts()).toEqual(['4']);
  });

  it('says so when it cannot stay in its group, and when it can again', async () => {
    const other = client.consumer({
      groupId: group,
      partitionAssigners: [
        () => ({
          name: 'of another kind',
          version: 1,
          assign: () => Promise.resolve([]),
          protocol: () => ({ name: 'of another kind', metadata: Buffer.alloc(6) }),
        }),
      ],
    });
    await other.connect();
    await other.subscribe({ topic });
    await other.run({ eachMessage: () => Promise.resolve() });
    await eventually('the other is a member', async () => {
      const { groups } = await admin.describeGroups([group]);
      return groups[0]!.state === 'Stable';
    });
    await read();
    await eventually(
      'the reason',
      () =>
        bus.check().then(
          () => false,
          (error: Error) => error.message.includes(group) && /times in a row/.test(error.message),
        ),
      WAIT_MS,
    );
    expect(await registry.metrics()).toMatch(new RegExp(`rollcall_bus_membership_losses_total\\{group="${group}"\\} [2-9]`));
    await other.disconnect();
    await sendUntilTaken('after');
    await eventually('the record', () => texts().includes('after'), WAIT_MS);
    await eventually('no trouble', ready, WAIT_MS);
  });
});
