import { describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/poll.js';
import type { Bus, BusBatch, BusConsumerOptions, BusPartitions, BusRecord } from './bus.js';

export interface StartOptions extends Partial<BusConsumerOptions> {
  readonly max?: number;
}

export type Handle = (batch: BusBatch) => Promise<void> | void;

/** A running consumer. */
export interface TestConsumer {
  close(): Promise<void>;
}

const textOf = ({ value }: BusRecord): string => String(value);

/** What the suite of a transport lends. */
export interface TakenContext {
  /** Makes a new topic and group. */
  readonly fresh: () => Promise<void>;
  readonly topic: () => string;
  readonly connect: () => Bus;
  readonly start: (handle: Handle, options?: StartOptions) => Promise<TestConsumer>;
  readonly send: (texts: readonly string[], key?: string) => Promise<void>;
}

/** Tests what both transports promise of batches that are taken before they are done, and of the partitions that they come from. */
export function describeTaken({ fresh, topic, connect, start, send }: TakenContext): void {
  describe('taken and done', () => {
    it('gives out the next batch when one is taken, and keeps what comes before the first that is not done', async () => {
      await fresh();
      const out: { texts: string[]; done: () => void; fail: () => void }[] = [];
      const first = await start(
        async ({ records, taken }) => {
          taken();
          await new Promise<void>((resolve, reject) => {
            out.push({ texts: records.map(textOf), done: resolve, fail: () => reject(new Error('interrupted')) });
          });
        },
        { max: 2 },
      );
      const texts = Array.from({ length: 10 }, (_, index) => String(index));
      const sent = send(texts);
      await eventually('all batches', () => out.length >= 5 && out.flatMap((one) => one.texts).length === 10);
      expect(out.flatMap((one) => one.texts)).toEqual(texts);
      // Out of order, and not the third.
      for (const index of [4, 1, 3, 0]) out[index]!.done();
      const closing = first.close();
      out[2]!.fail();
      await closing;
      const again: string[] = [];
      await start(({ records }) => void again.push(...records.map(textOf)));
      await sent;
      await eventually('the rest', () => again.includes('9') || again.length >= out[2]!.texts.length);
      // In Kafka all from the first that is not done; the in-process bus knows of each.
      const [firstUndone] = out[2]!.texts;
      expect(again[0]).toBe(firstUndone);
      expect(again).toEqual(texts.filter((text) => again.includes(text)));
    }, 60_000);

    it('delivers again what throws after it was taken, and gives out nothing more until it is taken again', async () => {
      await fresh();
      const calls: string[] = [];
      let isHealthy = false;
      await start(
        async ({ records, taken }) => {
          const text = records.map(textOf).join();
          calls.push(text);
          if (text !== 'bad' || isHealthy) return taken();
          if (calls.length === 1) taken();
          await new Promise((resolve) => setImmediate(resolve));
          throw new Error('the database is away');
        },
        { max: 1 },
      );
      const sent = send(['bad', '1']);
      await eventually('a few attempts', () => calls.filter((text) => text === 'bad').length > 2);
      const later = send(['2']);
      await eventually('one more attempt', () => calls.at(-1) === 'bad' && calls.length > 4);
      expect(calls).not.toContain('2');
      isHealthy = true;
      await Promise.all([sent, later]);
      await eventually('the last', () => calls.includes('2'));
      expect(calls.filter((text) => text !== 'bad')).toEqual(['1', '2']);
    });

    it('gives out no more than the bound while nothing is done, and goes on when it is', async () => {
      await fresh();
      const done: (() => void)[] = [];
      const seen: string[] = [];
      let [held, most] = [0, 0];
      await start(
        async ({ records, taken }) => {
          seen.push(...records.map(textOf));
          held += records.length;
          most = Math.max(most, held);
          taken();
          await new Promise<void>((resolve) => done.push(resolve));
          held -= records.length;
        },
        { max: 10, maxHeldRecords: 30 },
      );
      const texts = Array.from({ length: 500 }, (_, index) => String(index));
      const producer = connect().producer();
      const sent = Promise.all(texts.map((value) => producer.send(topic(), [{ key: 'k', value }])));
      await eventually(
        'all',
        () => {
          // From the last to the first, so that nothing is kept before all of them are.
          const isHeld = done.length >= 3 || seen.length === 500;
          if (isHeld) for (const resolve of done.splice(0).reverse()) resolve();
          return seen.length === 500;
        },
        60_000,
      );
      for (const resolve of done.splice(0)) resolve();
      await sent;
      expect(seen).toEqual(texts);
      expect(most).toBeGreaterThanOrEqual(20);
      expect(most).toBeLessThan(30 + 10);
    }, 90_000);

    it('tells what is assigned before the first batch, and at a stop waits for what is told of it and what was taken', async () => {
      await fresh();
      const told: string[] = [];
      const count = await connect().partitionCount(topic());
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => (release = resolve));
      const isWhole = (partitions: BusPartitions): boolean =>
        partitions.size === 1 &&
        partitions
          .get(topic())
          ?.toSorted((a, b) => a - b)
          .join() === [...Array(count).keys()].join();
      const first = await start(
        async ({ records, taken }) => {
          told.push(...records.map(textOf));
          taken();
          await released;
          told.push('done');
        },
        {
          max: 1,
          assignment: {
            onAssigned: (partitions) => void told.push(`assigned: ${isWhole(partitions)}`),
            onRevoked: async (partitions) => {
              told.push(`revoked: ${isWhole(partitions)}`);
              await new Promise((resolve) => setTimeout(resolve, 50));
              release();
            },
          },
        },
      );
      const sent = send(['1', '2']);
      await eventually('both', () => told.includes('2'));
      await first.close();
      expect(told).toEqual(['assigned: true', '1', '2', 'revoked: true', 'done', 'done']);
      await sent.catch(() => undefined);
      const again: string[] = [];
      await start(({ records }) => void again.push(...records.map(textOf)));
      await send(['3']);
      await eventually('the next', () => again.length > 0);
      expect(again).toEqual(['3']);
    });

    it('says when what is sent is accepted, at the latest when it is durable', async () => {
      await fresh();
      const moments: string[] = [];
      await start(async ({ taken }) => {
        taken();
        await eventually('the acceptance', () => moments.length > 0);
      });
      await connect()
        .producer()
        .send(topic(), [{ key: 'k', value: 'v' }], { onAccepted: () => void moments.push('accepted') });
      moments.push('durable');
      expect(moments).toEqual(['accepted', 'durable']);
    });
  });
}
