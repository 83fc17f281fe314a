import { randomUUID } from 'node:crypto';
import { Controller, Module, UseFilters } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/poll.js';
import type { Bus, BusBatch, BusConsumerOptions, BusRecord } from './bus.js';
import { BusExceptionFilter } from './bus-server.js';
import { describeTaken, type Handle, type StartOptions, type TestConsumer } from './bus.taken.conformance.js';

export type { TestConsumer };

/** One transport under test. */
export interface BusUnderTest {
  /** Another service's connection to the same broker. */
  connect(): Bus;
  /** A new topic that has a consumer. */
  topic(): Promise<string>;
  close(): Promise<void>;
}

/** Starts a Nest microservice with one handler, as a service does. */
export async function consume(
  bus: Bus,
  topic: string,
  groupId: string,
  handle: Handle,
  options: Omit<BusConsumerOptions, 'groupId'> = {},
): Promise<TestConsumer> {
  @Controller()
  @UseFilters(BusExceptionFilter)
  class Consumer {
    @EventPattern(topic)
    async handle(@Payload() batch: object): Promise<void> {
      await handle(batch as BusBatch);
    }
  }
  return startApp(bus, [Consumer], { ...options, groupId });
}

async function startApp(bus: Bus, controllers: (new () => object)[], options: BusConsumerOptions): Promise<TestConsumer> {
  @Module({ controllers })
  class App {}
  const app = await NestFactory.createMicroservice(App, { strategy: bus.strategy(options), logger: false });
  await app.listen();
  return { close: () => app.close() };
}

const textOf = ({ value }: BusRecord): string => String(value);

/** Tests what both transports promise, and the services rely on. @param runs examples of the property tests */
export function describeBus(name: string, skip: boolean, runs: number, open: () => Promise<BusUnderTest>): void {
  describe.skipIf(skip)(name, () => {
    let transport: BusUnderTest;
    let topic: string;
    let group: string;
    const cleanups: (() => Promise<void>)[] = [];

    const connect = (): Bus => {
      const bus = transport.connect();
      cleanups.push(() => bus.close());
      return bus;
    };
    const start = async (handle: Handle, { groupId = group, max, ...options }: StartOptions = {}) => {
      const consumer = await consume(connect(), topic, groupId, handle, { ...(max && { maxBatchRecords: max }), ...options });
      cleanups.push(() => consumer.close());
      return consumer;
    };
    const send = (texts: readonly string[], key = 'k'): Promise<void> =>
      connect()
        .producer()
        .send(
          topic,
          texts.map((value) => ({ key, value })),
        );

    beforeAll(async () => {
      transport = await open();
    });
    afterAll(() => transport?.close());
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    });
    const fresh = async (): Promise<void> => {
      topic = await transport.topic();
      group = `group-${randomUUID()}`;
    };

    it('carries keys, values and headers as they are, and what is null as null', async () => {
      await fresh();
      const seen: BusRecord[] = [];
      await start(({ records }) => void seen.push(...records));
      const bytes = Buffer.from([0xff, 0x00, 0xfe]);
      await connect()
        .producer()
        .send(topic, [
          { key: 'clé', value: 'é€', headers: { ce_id: '1', text: 'naïve' } },
          { key: bytes, value: bytes },
          { key: 'tombstone', value: null },
          { key: null, value: 'no key' },
          { key: 'empty', value: '' },
        ]);
      await eventually('all records', () => seen.length === 5);
      const byValue = (value: string | null): BusRecord => seen.find((one) => (one.value?.toString() ?? null) === value)!;
      expect(byValue('é€')).toMatchObject({ topic, key: 'clé', headers: { ce_id: '1', text: 'naïve' } });
      expect(byValue(null)).toMatchObject({ key: 'tombstone', headers: {} });
      expect(byValue('no key')).toMatchObject({ key: null, keyBytes: null });
      expect(byValue('')).toMatchObject({ key: 'empty' });
      expect(seen.find(({ value }) => value?.equals(bytes))?.keyBytes).toEqual(bytes);
      expect(Math.abs(byValue('').timestamp - Date.now())).toBeLessThan(600_000);
    });

    it('carries every header as it is, and shows the last of each name as text', async () => {
      await fresh();
      const seen: BusRecord[] = [];
      await start(({ records }) => void seen.push(...records));
      const headerList = [
        { name: 'twice', value: 'one' },
        { name: 'null', value: null },
        { name: 'twice', value: Buffer.from([0xff]) },
        { name: '__proto__', value: 'p' },
        { name: 'ends in null', value: 'text' },
        { name: 'ends in null', value: null },
        { name: Buffer.from([0xfe]), value: '' },
      ];
      await connect()
        .producer()
        .send(topic, [{ key: 'k', value: 'v', headerList }]);
      await eventually('the record', () => seen.length === 1);
      const bytes = (value: string | Buffer | null) => (value === null ? null : Buffer.from(value));
      expect(seen[0]!.headerList!.map(({ name, value }) => [bytes(name), bytes(value)])).toEqual(
        headerList.map(({ name, value }) => [bytes(name), bytes(value)]),
      );
      expect(Object.entries(seen[0]!.headers)).toEqual([
        ['twice', '\ufffd'],
        ['__proto__', 'p'],
        ['\ufffd', ''],
      ]);
    });

    it('keeps the order of each key, and hands over everything once', async () => {
      await fresh();
      const seen = new Map<string, string[]>();
      await start(
        ({ records }) => {
          for (const record of records) seen.set(record.key!, [...(seen.get(record.key!) ?? []), textOf(record)]);
        },
        { max: 7 },
      );
      const producer = connect().producer();
      const sends = fc.array(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 30 }), { maxLength: 8 });
      await fc.assert(
        fc.asyncProperty(sends, async (keysOfSends) => {
          const run = randomUUID();
          const sent = new Map<string, string[]>();
          let count = 0;
          // Not awaited one by one: sends that are under way together keep their order too.
          await Promise.all(
            keysOfSends.map((keys) => {
              const messages = keys.map((number) => ({ key: `${run}:${number}`, value: String(count++) }));
              for (const { key, value } of messages) sent.set(key, [...(sent.get(key) ?? []), value]);
              return producer.send(topic, messages);
            }),
          );
          const ofRun = (): [string, string[]][] => [...seen].filter(([key]) => key.startsWith(run));
          await eventually('all records', () => ofRun().flatMap(([, values]) => values).length >= count);
          expect(new Map(ofRun())).toEqual(sent);
        }),
        { numRuns: runs },
      );
    });

    it('delivers again from the first record after a throw, with nothing later before it, while other keys go on', async () => {
      await fresh();
      const attempts: string[][] = [];
      const others: string[] = [];
      let healthy = false;
      await start(
        ({ records }) => {
          for (const record of records.filter(({ key }) => key !== 'bad')) others.push(textOf(record));
          const bad = records.filter(({ key }) => key === 'bad').map(textOf);
          if (bad.length === 0) return;
          attempts.push(bad);
          if (!healthy) throw new Error('the database is away');
        },
        { max: 2 },
      );
      const failing = send(['1', '2', '3', '4', '5'], 'bad');
      await eventually('a few attempts', () => attempts.length >= 3);
      // Of these keys some are in other partitions than the failing one.
      const elsewhere = Array.from({ length: 20 }, (_, index) => send([`other ${index}`], `key ${index}`));
      await eventually('others go on', () => others.length > 0);
      expect(attempts.every((one) => one[0] === '1' && !one.includes('3'))).toBe(true);
      healthy = true;
      await Promise.all([failing, ...elsewhere]);
      await eventually('the rest', () => attempts.flat().includes('5') && new Set(others).size === 20);
      const done = attempts.slice(attempts.findLastIndex((one) => one[0] === '1')).flat();
      expect(done).toEqual(['1', '2', '3', '4', '5']);
    });

    it('puts what arrives meanwhile into the next batch, up to the most that was asked for', async () => {
      await fresh();
      const sizes: number[] = [];
      let release = (): void => undefined;
      const gate = new Promise<void>((resolve) => (release = resolve));
      await start(
        async ({ records }) => {
          sizes.push(records.length);
          if (sizes.length === 1) await gate;
        },
        { max: 10 },
      );
      const first = send(['first']);
      await eventually('the first batch', () => sizes.length === 1);
      const producer = connect().producer();
      const rest = Array.from({ length: 25 }, (_, index) => producer.send(topic, [{ key: 'k', value: String(index) }]));
      await new Promise((resolve) => setImmediate(resolve));
      release();
      await Promise.all([first, ...rest]);
      await eventually('the rest', () => sizes.reduce((sum, size) => sum + size, 0) === 26);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(10);
      expect(sizes.length).toBeLessThan(26);
    });

    it('gives every group everything', async () => {
      await fresh();
      const seen: [string[], string[]] = [[], []];
      for (const mine of seen) await start(({ records }) => void mine.push(...records.map(textOf)), { groupId: randomUUID() });
      const texts = Array.from({ length: 50 }, (_, index) => String(index));
      await send(texts);
      await eventually('both groups', () => seen.every((mine) => mine.length === 50));
      expect(seen).toEqual([texts, texts]);
    });

    it('loses nothing when a consumer stops in the middle and another takes over', async () => {
      await fresh();
      const seen: string[] = [];
      const handle: Handle = async ({ records }) => {
        await new Promise((resolve) => setImmediate(resolve));
        seen.push(...records.map(textOf));
      };
      const first = await start(handle, { max: 3 });
      const texts = Array.from({ length: 200 }, (_, index) => String(index));
      const producer = connect().producer();
      const sent = Promise.all(texts.map((value) => producer.send(topic, [{ key: `key ${Number(value) % 7}`, value }])));
      await eventually('some', () => seen.length > 20);
      await first.close();
      await start(handle, { max: 3 });
      await sent;
      await eventually('all', () => new Set(seen).size === 200);
      for (let key = 0; key < 7; key++) {
        const ofKey = seen.map(Number).filter((number) => number % 7 === key);
        expect(ofKey).toEqual(ofKey.toSorted((a, b) => a - b));
      }
      expect(seen).toHaveLength(200); // an orderly stop also repeats nothing
    });

    it('stops after the batch in hand, calls no handler any more, and has what it did kept', async () => {
      await fresh();
      const seen: string[] = [];
      let release = (): void => undefined;
      const gate = new Promise<void>((resolve) => (release = resolve));
      const first = await start(
        async ({ records }) => {
          seen.push(...records.map(textOf));
          await gate;
        },
        { max: 1 },
      );
      const sent = send(['1', '2', '3']);
      await eventually('the first', () => seen.length === 1);
      let closed = false;
      const closing = first.close().then(() => (closed = true));
      await new Promise((resolve) => setImmediate(resolve));
      expect(closed).toBe(false);
      release();
      await closing;
      expect(seen).toEqual(['1']);
      await start(({ records }) => void seen.push(...records.map(textOf)));
      await sent;
      await eventually('the rest', () => seen.length >= 3);
      expect(seen).toEqual(['1', '2', '3']);
    });

    it('refuses to start without handlers, with two for a topic, or with one that answers', async () => {
      await fresh();
      class None {}
      class Two {
        first(): void {}
        second(): void {}
      }
      class Answering {
        answer(): void {}
      }
      decorate(Two, 'first', EventPattern(topic) as MethodDecorator);
      decorate(Two, 'second', EventPattern(topic) as MethodDecorator);
      decorate(Answering, 'answer', MessagePattern(topic));
      for (const one of [None, Two, Answering]) Controller()(one);
      await expect(startApp(connect(), [None], { groupId: group })).rejects.toThrow(/no @EventPattern handler/);
      await expect(startApp(connect(), [Two], { groupId: group })).rejects.toThrow(/two handlers/);
      await expect(startApp(connect(), [Answering], { groupId: group })).rejects.toThrow(/must be an @EventPattern/);
    });

    describeTaken({ connect, start, send, fresh, topic: () => topic });

    it('is reachable, and says so', async () => {
      const bus = connect();
      await bus.check();
      await bus.close();
      await expect(bus.producer().send('any', [])).resolves.toBeUndefined();
    });
  });
}

function decorate(type: { readonly prototype: object }, method: string, decorator: MethodDecorator): void {
  decorator(type.prototype, method, Object.getOwnPropertyDescriptor(type.prototype, method)!);
}
