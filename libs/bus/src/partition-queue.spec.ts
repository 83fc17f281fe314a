import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PartitionQueue, type QueuedBatch, type PartitionQueueOptions } from './partition-queue.js';

/** A batch that the queue has handed out and that waits for its end. */
interface Out extends QueuedBatch<number> {
  readonly end: (isDone: boolean) => void;
}

class World {
  readonly out: Out[] = [];
  readonly handed: number[] = [];
  readonly accepted: number[] = [];
  readonly done: number[] = [];
  upTo = -1;
  rooms = 0;
  readonly queue: PartitionQueue<number>;

  constructor(options: Partial<PartitionQueueOptions<number>> = {}, after?: Promise<unknown>) {
    this.queue = new PartitionQueue(
      {
        ...{ maxBatchRecords: 3, maxBatchBytes: 100, maxHeldRecords: 10, maxHeldBytes: 1000, sizeOf: () => 1 },
        deliver: (batch) => new Promise((end) => void (this.out.push({ ...batch, end }), this.handed.push(...batch.records))),
        onAccepted: (records) => void this.accepted.push(...records),
        onDone: (records, upTo) => {
          this.done.push(...records);
          if (upTo !== undefined) this.upTo = upTo;
        },
        onRoom: () => void (this.rooms += 1),
        ...options,
      },
      after,
    );
  }

  /** Ends one of the batches that are out. */
  async end(index: number, isDone = true): Promise<void> {
    this.out.splice(index, 1)[0]!.end(isDone);
    await turn();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, index) => from + index);

describe('a queue', () => {
  it('hands out in order and once, keeps its bounds, and tells the prefix, whatever is taken, done and failed in whatever order', async () => {
    const action = fc.record({
      kind: fc.constantFrom('push', 'take', 'end', 'fail', 'again'),
      count: fc.integer({ min: 1, max: 6 }),
      which: fc.nat(20),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const world = new World();
        let pushed = 0;
        let hasRoom = true;
        for (const { kind, count, which } of actions) {
          const one = world.out[which % Math.max(1, world.out.length)];
          const rooms = world.rooms;
          if (kind === 'push' && hasRoom) {
            hasRoom = world.queue.push(numbers(count, pushed));
            pushed += count;
          } else if (one && kind === 'take') one.taken();
          else if (one && kind === 'fail') one.failed();
          else if (one && kind === 'end') await world.end(world.out.indexOf(one));
          await turn();
          hasRoom ||= world.rooms > rooms;
          expect(world.handed).toEqual(numbers(world.handed.length));
          // Everything up to the prefix is done, and what comes next is not.
          const done = new Set(world.done);
          const first = numbers(pushed).find((number) => !done.has(number)) ?? pushed;
          expect(world.upTo).toBe(first - 1);
          expect(world.handed.length - (world.upTo + 1)).toBeLessThan(10 + 3);
          expect(pushed - (world.upTo + 1)).toBeLessThan(10 + 6);
        }
        while (world.out.length > 0) await world.end(world.out.length - 1);
        expect(world.upTo).toBe(pushed - 1);
        expect(new Set(world.accepted).size).toBe(world.accepted.length);
        expect(world.accepted.toSorted((a, b) => a - b)).toEqual(numbers(pushed));
      }),
    );
  });

  it('hands out the next batch when the one before is taken, and none after a failure until it is taken again', async () => {
    const world = new World();
    world.queue.push(numbers(9));
    expect(world.out).toHaveLength(1);
    world.out[0]!.taken();
    expect(world.out).toHaveLength(1); // never within the call
    await turn();
    expect(world.out).toHaveLength(2);
    world.out[0]!.failed();
    world.out[1]!.taken();
    await turn();
    expect(world.out).toHaveLength(2);
    world.out[0]!.taken();
    await turn();
    expect(world.handed).toEqual(numbers(9));
    expect(world.accepted).toEqual(numbers(6));
  });

  it('has no room for more than its bounds until half of it is done, as far as it is contiguous', async () => {
    const world = new World();
    expect(world.queue.push(numbers(9))).toBe(true);
    expect(world.queue.push([9])).toBe(false);
    for (let index = 0; index < 3; index++) {
      world.out[index]!.taken();
      await turn();
    }
    expect(world.handed).toEqual(numbers(10));
    while (world.out.length > 1) await world.end(1);
    expect([world.rooms, world.upTo]).toEqual([0, -1]);
    await world.end(0);
    expect([world.rooms, world.upTo]).toEqual([1, 9]);
  });

  it('hands out no more than its bound of bytes, but a record of any size alone', async () => {
    const world = new World({ sizeOf: (size) => size, maxHeldBytes: 100 });
    expect(world.queue.push([500, 60, 60])).toBe(false);
    world.out[0]!.taken();
    await turn();
    expect(world.handed).toEqual([500]);
    await world.end(0);
    expect(world.handed).toEqual([500, 60]);
  });

  it('leaves over what is not done, in order, once it is closed', async () => {
    const world = new World();
    world.queue.push(numbers(10));
    for (let index = 0; index < 2; index++) {
      world.out[index]!.taken();
      await turn();
    }
    await world.end(1);
    world.queue.close();
    world.queue.push([10]);
    let settled = false;
    void world.queue.settled().then(() => (settled = true));
    await world.end(1, false);
    expect(settled).toBe(false);
    await world.end(0, false);
    expect(settled).toBe(true);
    expect(world.queue.leftOver()).toEqual([0, 1, 2, 6, 7, 8, 9, 10]);
    expect(world.handed).toEqual(numbers(9));
  });

  it('hands out nothing after a batch that was given up', async () => {
    const world = new World();
    world.queue.push(numbers(6));
    await world.end(0, false);
    expect(world.handed).toEqual([0, 1, 2]);
  });

  it('waits for what was before it', async () => {
    let resolve = (): void => undefined;
    const world = new World({}, new Promise<void>((settle) => (resolve = settle)));
    world.queue.push([0]);
    await turn();
    expect(world.handed).toEqual([]);
    resolve();
    await turn();
    expect(world.handed).toEqual([0]);
  });
});
