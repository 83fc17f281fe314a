import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLogger } from '#runtime';
import { LocalKafka } from '../../../test/support/kafka.js';
import { eventually } from '../../../test/support/poll.js';
import type { Bus, BusProducer } from './bus.js';
import { consume, type TestConsumer } from './bus.conformance.js';
import { createKafkaBus } from './kafka.bus.js';

// Takes its broker away, so it has one of its own.
describe.skipIf((await LocalKafka.missing()) !== undefined)('kafka bus and a broker that goes away', { timeout: 120_000 }, () => {
  let kafka: LocalKafka;
  let bus: Bus;
  let consumer: TestConsumer;
  let producer: BusProducer;
  let topic: string;
  /** What was consumed, by its offset: all goes to one partition, and may be consumed more than once. */
  const consumed = new Map<number, string>();
  /** In the order of the topic. */
  const seen = (): string[] => [...consumed].sort(([one], [other]) => one - other).map(([, value]) => value);

  const send = (...values: string[]): Promise<void> =>
    producer.send(
      topic,
      values.map((value) => ({ key: 'k', value })),
    );
  /** What a relay does: sends the same again until it is taken. */
  const sendUntilTaken = async (...values: string[]): Promise<void> => {
    await eventually(
      'the broker takes it',
      async () => {
        await send(...values);
        return true;
      },
      60_000,
    );
  };

  beforeAll(async () => {
    kafka = await LocalKafka.start();
    topic = `topic-${randomUUID()}`;
    bus = createKafkaBus({ brokers: kafka.brokers, clientId: 'test', partitions: 2, logger: createLogger('test', 'silent') });
    producer = bus.producer();
    // Nobody has made the topic, and nobody can: both begin before there is a broker, and wait for it.
    await kafka.kill();
    consumer = await consume(bus, topic, randomUUID(), ({ records }) =>
      records.forEach(({ offset, value }) => consumed.set(Number(offset), String(value))),
    );
    const ensured = bus.ensureTopics([topic]);
    await expect(bus.check()).rejects.toThrow(/Kafka cannot be reached/);
    await kafka.restart();
    await ensured;
  }, 120_000);

  afterAll(async () => {
    await consumer?.close();
    await bus?.close();
    await kafka?.stop();
  }, 60_000);

  it('begins when the broker is there', async () => {
    await sendUntilTaken('first');
    await eventually('the first record', () => seen().includes('first'), 60_000);
    // A membership is sound once it has lasted: the attempts without a broker count until then.
    await eventually('ready', () => bus.check().then(() => true));
  });

  it('rejects a send while the broker is dead, and goes on by itself when it is back', async () => {
    await kafka.kill();
    await expect(send('while dead')).rejects.toThrow(/Kafka did not/);
    await eventually('unready', () =>
      bus.check().then(
        () => false,
        () => true,
      ),
    );
    await kafka.restart();
    await sendUntilTaken('after death');
    await eventually('the record', () => seen().includes('after death'), 60_000);
    await eventually('ready', () => bus.check().then(() => true));
  });

  it('rejects a send to a hung broker, and loses nothing that it takes later', async () => {
    await sendUntilTaken('before');
    kafka.freeze();
    // Whether the broker gets to see these is open. The next ones have other sequence numbers either way.
    await expect(send('hung 1', 'hung 2')).rejects.toThrow(/Kafka did not/);
    kafka.thaw();
    await sendUntilTaken('next 1', 'next 2');
    await sendUntilTaken('last');
    await eventually('the last', () => seen().includes('last'), 60_000);
    expect(seen().filter((value) => value.startsWith('next'))).toEqual(expect.arrayContaining(['next 1', 'next 2']));
    expect(seen().lastIndexOf('hung 2')).toBeLessThan(seen().indexOf('next 1'));
  });
});
