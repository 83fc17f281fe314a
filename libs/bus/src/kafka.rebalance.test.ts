import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { createLogger } from '#runtime';
import { eventually } from '../../../test/support/poll.js';
import { consume, type TestConsumer } from './bus.conformance.js';
import type { Bus, BusAssignmentOptions, BusBatch, BusPartitions, BusProducer } from './bus.js';
import { createKafkaBus } from './kafka.bus.js';
import { partitionOf } from './key-hash.js';

const brokers = inject('kafkaBrokers');
const PARTITIONS = 8;
const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);
/** A key for each partition. */
const KEYS = ALL.map((wanted) => {
  for (let number = 0; ; number++) if (partitionOf(`key ${number}`, PARTITIONS) === wanted) return `key ${number}`;
});

describe.skipIf(brokers.length === 0)('members of a group that come and go', { timeout: 120_000 }, () => {
  let topic: string;
  let group: string;
  let producer: BusProducer;
  let cleanups: (() => Promise<unknown>)[];
  let sent: number;

  beforeEach(async () => {
    topic = `topic-${randomUUID()}`;
    group = randomUUID();
    cleanups = [];
    sent = 0;
    const bus = open();
    await bus.ensureTopics([topic]);
    producer = bus.producer();
  });

  afterEach(async () => {
    for (const clean of cleanups.reverse()) await clean();
  });

  function open(): Bus {
    const logger = createLogger('test', 'silent');
    const bus = createKafkaBus({ brokers, clientId: `test-${randomUUID()}`, partitions: PARTITIONS, logger });
    cleanups.push(() => bus.close());
    return bus;
  }

  /** A member of the group, in a process of its own as far as connections go. */
  class Member {
    held: readonly number[] = [];
    private consumer: TestConsumer | undefined;

    static async start(handle: (batch: BusBatch) => Promise<void>, options: BusAssignmentOptions = {}): Promise<Member> {
      const member = new Member();
      member.consumer = await consume(open(), topic, group, handle, {
        maxBatchRecords: 5,
        assignment: {
          ...options,
          onAssigned: (partitions) => {
            member.held = sorted(partitions);
            options.onAssigned?.(partitions);
          },
          onRevoked: async (partitions) => {
            await options.onRevoked?.(partitions);
            member.held = [];
          },
        },
      });
      cleanups.push(() => member.stop());
      return member;
    }

    async stop(): Promise<void> {
      await this.consumer!.close();
    }
  }

  const sorted = (partitions: BusPartitions): number[] => [...(partitions.get(topic) ?? [])].sort((a, b) => a - b);

  const note = (seen: number[], records: BusBatch['records']): void =>
    void seen.push(...records.map(({ value }) => Number(value)));

  /** One more record for each partition. */
  const sendRound = (): Promise<void> => producer.send(topic, KEYS.map((key) => ({ key, value: String(sent++) }))); // prettier-ignore

  const areShared = (...members: readonly Member[]): boolean =>
    members.every(({ held }) => held.length > 0) && members.flatMap(({ held }) => held).length === PARTITIONS;

  it('hand over in order what they are at: nothing comes twice, nothing at two members, nothing out of order', async () => {
    const seen: number[] = [];
    const atWork = new Map<number, string>();
    const intruders: string[] = [];
    const member = async (name: string): Promise<Member> => {
      const working = new Set<Promise<void>>();
      return Member.start(
        async ({ records, taken, signal }) => {
          const { partition } = records[0]!;
          const owner = atWork.get(partition) ?? name;
          if (owner !== name) intruders.push(`${name} on ${partition} of ${owner}`);
          atWork.set(partition, name);
          taken();
          const work = new Promise<void>((resolve) => setTimeout(resolve, 50));
          working.add(work);
          await work;
          working.delete(work);
          if (signal.aborted) throw new Error('taken away');
          seen.push(...records.map(({ value }) => Number(value)));
        },
        {
          onRevoked: async () => {
            await Promise.all(working);
            for (const [partition, owner] of atWork) if (owner === name) atWork.delete(partition);
          },
        },
      );
    };
    const first = await member('first');
    await eventually('all of it', () => first.held.length === PARTITIONS);
    let isOver = false;
    const sending = (async () => {
      while (!isOver) await sendRound();
    })();
    const second = await member('second');
    await eventually('halves', () => areShared(first, second), 30_000);
    const third = await member('third');
    await eventually('thirds', () => areShared(first, second, third), 30_000);
    await second.stop();
    await eventually('halves again', () => areShared(first, third), 30_000);
    await first.stop();
    await eventually('all of it', () => third.held.length === PARTITIONS, 30_000);
    isOver = true;
    await sending;
    await eventually('all records', () => new Set(seen).size === sent, 60_000);
    expect(seen).toHaveLength(sent);
    expect(intruders).toEqual([]);
    for (const partition of ALL) {
      const ofPartition = seen.filter((number) => number % PARTITIONS === partition);
      expect(ofPartition).toEqual(ofPartition.toSorted((a, b) => a - b));
    }
  });

  it('are waited for while they finish, for longer than a session, and no longer than they said', async () => {
    const drainMs = 10_000; // a session is 8 s
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const signals: AbortSignal[] = [];
    const first = await Member.start(
      async ({ taken, signal }) => {
        signals.push(signal);
        taken();
        await released;
      },
      {
        drainMs,
        onRevoked: () => Promise.race([released, new Promise((resolve) => setTimeout(resolve, drainMs - 1000)).then(release)]),
      },
    );
    await eventually('all of it', () => first.held.length === PARTITIONS);
    await sendRound();
    await eventually('a batch of each', () => signals.length === PARTITIONS);
    const seen: number[] = [];
    const second = await Member.start(({ records }) => Promise.resolve(note(seen, records)));
    await eventually('halves', () => areShared(first, second), 30_000);
    await first.stop();
    await eventually('all of it', () => second.held.length === PARTITIONS, 30_000);
    const firstOfNext = sent;
    await sendRound();
    await eventually('the next round', () => seen.length >= PARTITIONS, 30_000);
    expect(Math.min(...seen)).toBe(firstOfNext);
  });

  it('are not waited for longer than they said: what is not done by then comes again elsewhere', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const first = await Member.start(
      async ({ taken }) => {
        taken();
        await released;
      },
      { drainMs: 200 },
    );
    await eventually('all of it', () => first.held.length === PARTITIONS);
    await sendRound();
    const seen: number[] = [];
    const second = await Member.start(({ records }) => Promise.resolve(note(seen, records)));
    await eventually('halves', () => areShared(first, second), 30_000);
    await eventually('what the first had', () => seen.length === second.held.length, 30_000);
    release();
  });

  it('are given all partitions of a shard', async () => {
    const shards = (): number => 4;
    const handle = (): Promise<void> => Promise.resolve();
    const members = [await Member.start(handle, { shards }), await Member.start(handle, { shards })];
    members.push(await Member.start(handle, { shards }));
    await eventually('shares', () => areShared(...members), 30_000);
    expect(members.map(({ held }) => held).sort(([a], [b]) => a! - b!)).toEqual([[0, 3, 4, 7], [1, 5], [2, 6]]); // prettier-ignore
  });

  it('stand in one group with members that know round robin alone', async () => {
    const seen = new Set<number>();
    const note = (value: Buffer | null): void => void seen.add(Number(value));
    const first = await Member.start(({ records }) => Promise.resolve(records.forEach(({ value }) => note(value))));
    await eventually('all of it', () => first.held.length === PARTITIONS);
    const kafka = new Kafka({ brokers: [...brokers], clientId: 'older', logLevel: logLevel.NOTHING });
    const older = kafka.consumer({ groupId: group });
    cleanups.push(() => older.disconnect());
    await older.connect();
    await older.subscribe({ topic });
    await older.run({ eachMessage: ({ message }) => Promise.resolve(note(message.value)) });
    await eventually('halves', () => first.held.length === PARTITIONS / 2, 30_000);
    await sendRound();
    await eventually('all records', () => seen.size === sent, 30_000);
  });
});
