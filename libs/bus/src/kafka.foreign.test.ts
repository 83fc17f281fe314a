import { randomUUID } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { lz4Compress, snappyCompress } from '@platformatic/wasm-utils';
import { CompressionCodecs, Kafka, logLevel, Partitioners } from 'kafkajs';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { createLogger } from '#runtime';
import { produceWithJava, type JavaRecord, type JavaStep } from '../../../test/support/java-producer.js';
import { LocalKafka } from '../../../test/support/kafka.js';
import { eventually } from '../../../test/support/poll.js';
import type { Bus, BusRecord } from './bus.js';
import { consume, type TestConsumer } from './bus.conformance.js';
import { createKafkaBus } from './kafka.bus.js';

const brokers = inject('kafkaBrokers');
/** By Kafka's number of the codec. */
const COMPRESS: Readonly<Record<number, (bytes: Buffer) => Buffer>> = {
  1: gzipSync,
  2: snappyCompress,
  3: lz4Compress,
  4: zstdCompressSync,
};
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

/** What other services' producers and brokers make of the topics: contract §4. */
describe.skipIf(brokers.length === 0 || (await LocalKafka.missing()) !== undefined)(
  'records of other producers',
  { timeout: 120_000 },
  () => {
    const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    let bus: Bus;
    let topic: string;
    let consumer: TestConsumer | undefined;
    let seen: BusRecord[];

    beforeAll(async () => {
      await admin.connect();
      bus = createKafkaBus({ brokers, clientId: 'test', partitions: 1, logger: createLogger('test', 'silent') });
    });
    afterEach(async () => {
      await consumer?.close();
      await admin.deleteTopics({ topics: [topic] });
    });
    afterAll(async () => {
      await bus?.close();
      await admin.disconnect();
    });

    async function makeTopic(config: Readonly<Record<string, string>> = {}): Promise<void> {
      topic = `topic-${randomUUID()}`;
      const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
      await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: 1, configEntries }] });
      await eventually('the topic is there', () => admin.fetchTopicMetadata({ topics: [topic] }));
    }

    async function read(): Promise<void> {
      seen = [];
      consumer = await consume(bus, topic, randomUUID(), ({ records }) => void seen.push(...records));
    }

    const texts = (): string[] => seen.map(({ value }) => String(value));
    const record = (value: string, over: Partial<JavaRecord> = {}): JavaRecord => ({ topic, key: 'k', value, ...over });
    const values = (count: number, size = 200): string[] =>
      Array.from({ length: count }, (_, index) => `${index} ${'abc'.repeat(size / 3)} ${(index * 7919) % 1009}`);

    it.each(CODECS)('are read where the producer compresses with %s', async (codec) => {
      await makeTopic({ 'compression.type': 'producer' });
      // One batch of one record, one of several of the codec's blocks, and one whose bytes hardly compress.
      const sent = ['alone', ...values(3000), randomUUID().repeat(10)];
      const steps: JavaStep[] = sent.map((value) => record(value));
      steps.splice(1, 0, 'flush');
      await produceWithJava(brokers, { 'compression.type': codec }, steps);
      await read();
      await eventually('all', () => seen.length >= sent.length, 60_000);
      expect(texts()).toEqual(sent);
      expect(seen.map(({ offset }) => Number(offset))).toEqual(sent.map((_, index) => index));
    });

    it.each(CODECS.slice(1))('are read where the topic makes the broker compress with %s', async (codec) => {
      await makeTopic({ 'compression.type': codec });
      const sent = values(500);
      await bus.producer().send(
        topic,
        sent.map((value) => ({ key: 'k', value })),
      );
      await read();
      await eventually('all', () => seen.length >= sent.length, 60_000);
      expect(texts()).toEqual(sent);
    });

    it('are read with headers of all kinds, in order and to the byte', async () => {
      await makeTopic();
      const odd = Buffer.from([0xff, 0x00, 0xfe]);
      const headers: NonNullable<JavaRecord['headers']> = [
        ['tracestate', null],
        ['twice', 'one'],
        ['bytes', odd],
        ['twice', 'two'],
        ['ends in null', 'text'],
        ['ends in null', null],
        ['__proto__', 'p'],
        ['constructor', 'c'],
        ['toString', 't'],
        ['', 'no name'],
        ['empty', ''],
      ];
      await produceWithJava(brokers, {}, [record('odd', { headers }), record('plain', { key: null }), record('', { key: odd })]);
      await read();
      await eventually('all', () => seen.length === 3, 60_000);
      const [first, second, third] = seen;
      expect(first!.headerList?.map(({ name, value }) => [String(name), value])).toEqual(
        headers.map(([name, value]) => [name, value === null ? null : Buffer.from(value)]),
      );
      expect(Object.keys(first!.headers).sort()).toEqual(
        ['', '__proto__', 'bytes', 'constructor', 'empty', 'toString', 'twice'].sort(),
      );
      expect(first!.headers['twice']).toBe('two');
      expect(first!.headers['__proto__']).toBe('p');
      expect(second).toMatchObject({ key: null, keyBytes: null });
      expect(third!.keyBytes).toEqual(odd);
    });

    it('are read although one of them has as many headers as fit', async () => {
      await makeTopic();
      const headers = Array.from({ length: 60_000 }, (_, index) => [String(index), null] as const);
      await produceWithJava(brokers, {}, [record('many', { headers }), record('next')]);
      await read();
      await eventually('all', () => seen.length === 2, 60_000);
      expect(seen[0]!.headerList).toHaveLength(headers.length);
    });

    it('are read as far as their transaction was committed, whatever their keys are', async () => {
      await makeTopic();
      // The key of a marker that gives a transaction up is four zeros; a record may have the same.
      const zeros = Buffer.alloc(4);
      const [one, two] = [randomUUID(), randomUUID()];
      await produceWithJava(brokers, { 'transactional.id': one, 'compression.type': 'lz4' }, [
        'begin',
        record('kept 1'),
        'commit',
        'begin',
        record('given up 1'),
        record('given up 2', { key: zeros }),
        record('given up 3'),
        'abort',
        'begin',
        record('kept 2', { key: zeros }),
        'commit',
      ]);
      await produceWithJava(brokers, { 'transactional.id': two }, ['begin', record('given up 4'), 'abort']);
      await produceWithJava(brokers, {}, [record('kept 3')]);
      await read();
      await eventually('the last', () => texts().includes('kept 3'), 60_000);
      expect(texts()).toEqual(['kept 1', 'kept 2', 'kept 3']);
    });

    it.each(Object.keys(COMPRESS).map(Number))('are passed over when they expand beyond 64 MiB, codec %i', async (codec) => {
      await makeTopic({ 'max.message.bytes': '4000000' });
      (CompressionCodecs as Record<number, unknown>)[codec] = () => ({
        compress: (encoder: { buffer: Buffer }) => Promise.resolve(COMPRESS[codec]!(encoder.buffer)),
        decompress: () => Promise.reject(new Error('not here')),
      });
      const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
      await producer.connect();
      const send = (...sent: (string | Buffer)[]) =>
        producer.send({ topic, compression: codec, messages: sent.map((value) => ({ key: 'k', value })) });
      await send('before');
      await send(...Array.from({ length: 70 }, () => Buffer.alloc(1_000_000)));
      await send('after');
      await producer.disconnect();
      await read();
      await eventually('the last', () => texts().includes('after'), 60_000);
      expect(seen.map(({ offset }) => offset)).toEqual(['0', '70', '71']);
      expect(seen[1]).toMatchObject({
        ...{ key: null, value: null, headers: {} },
        unreadable: { reason: 'it expands beyond 64 MiB', firstOffset: '1' },
      });
    });
  },
);
