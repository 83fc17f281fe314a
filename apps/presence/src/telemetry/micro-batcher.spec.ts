import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MicroBatcher } from './micro-batcher.js';

interface Job {
  readonly owner: number | string;
  readonly id: number;
  readonly size: number;
}

describe('MicroBatcher', () => {
  it('runs every job once, in order, whole, and no more at a time than allowed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 3 }),
        async (sizes, maxInFlight) => {
          const batches: number[][] = [];
          let inFlight = 0;
          let most = 0;
          const batcher = new MicroBatcher<Job>(
            async (jobs) => {
              most = Math.max(most, ++inFlight);
              batches.push(jobs.map(({ id }) => id));
              await new Promise((resolve) => setImmediate(resolve));
              inFlight -= 1;
            },
            { maxSize: 10, maxInFlight, maxInFlightOfOwner: maxInFlight, maxWaiting: 100 },
          );
          await Promise.all(sizes.map((size, id) => batcher.add({ owner: 1, id, size })));
          await batcher.idle();
          expect(batches.flat()).toEqual(sizes.map((_, id) => id));
          expect(batches.every((ids) => ids.length === 1 || ids.reduce((sum, id) => sum + sizes[id]!, 0) <= 10)).toBe(true);
          expect(most).toBeLessThanOrEqual(maxInFlight);
          expect(batcher.backlogOf(1)).toBe(0);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("tells a batch's error to its jobs, and goes on", async () => {
    const batcher = new MicroBatcher<Job>((jobs) => (jobs[0]!.id === 0 ? Promise.reject(new Error('away')) : Promise.resolve()), {
      maxSize: 1,
      maxInFlight: 1,
      maxInFlightOfOwner: 1,
      maxWaiting: 100,
    });
    const [first, second] = await Promise.allSettled([
      batcher.add({ owner: 1, id: 0, size: 1 }),
      batcher.add({ owner: 1, id: 1, size: 1 }),
    ]);
    expect(first).toMatchObject({ status: 'rejected', reason: new Error('away') });
    expect(second.status).toBe('fulfilled');
  });

  const LIMITS = { maxSize: 10, maxInFlight: 3, maxInFlightOfOwner: 2, maxWaiting: 100 };

  /** A batcher whose batches end when they are told to. */
  function held(limits = LIMITS) {
    const batches: { jobs: readonly Job[]; end: () => void }[] = [];
    const batcher = new MicroBatcher<Job>((jobs) => new Promise((end) => batches.push({ jobs, end })), limits);
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    return { batcher, batches, turn };
  }

  it('begins a job of another owner at once, however much one has waiting', async () => {
    const { batcher, batches, turn } = held();
    const all = Array.from({ length: 20 }, (_, id) => batcher.add({ owner: 1, id, size: 10 }));
    await turn();
    expect(batches.map(({ jobs }) => jobs.map(({ id }) => id))).toEqual([[0], [1]]); // the third place is kept
    all.push(batcher.add({ owner: 2, id: 100, size: 1 }), batcher.add({ owner: 3, id: 200, size: 1 }));
    await turn();
    expect(batches.at(-1)!.jobs.map(({ id }) => id)).toEqual([100, 200]);
    for (let nth = 0; nth < batches.length; nth++) {
      batches[nth]!.end();
      await turn();
    }
    await Promise.all(all);
    await batcher.idle();
  });

  it('gives each owner a turn where several have more than there is room for, and keeps the order of each', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 10 })), { minLength: 5, maxLength: 40 }),
        async (jobs) => {
          const { batcher, batches, turn } = held({ ...LIMITS, maxInFlight: 1, maxInFlightOfOwner: 1 });
          const all = jobs.map(([owner, size], id) => batcher.add({ owner, id, size }));
          await turn();
          for (let nth = 0; nth < batches.length; nth++) {
            batches[nth]!.end();
            await turn();
          }
          await Promise.all(all);
          const order = batches.flatMap((batch) => batch.jobs);
          expect(order).toHaveLength(jobs.length);
          for (let owner = 0; owner <= 3; owner++) {
            const ids = order.filter((job) => job.owner === owner).map(({ id }) => id);
            expect(ids).toEqual([...ids].sort((a, b) => a - b));
          }
          // Whoever waits sees each of the others at most once before its own turn.
          order.forEach((job, place) => {
            const since = order.slice(0, place).findLastIndex(({ owner }) => owner === job.owner);
            const between = order.slice(since + 1, place).map(({ owner }) => owner);
            expect(new Set(between).size).toBe(between.length);
          });
        },
      ),
      { numRuns: 50 },
    );
  });

  it('has room for the next owner, however many flood: half for one, a third for each of two', () => {
    const flood = (owners: number): number[] => {
      const { batcher } = held({ ...LIMITS, maxWaiting: 1200 });
      const got = new Array<number>(owners).fill(0);
      for (let refused = 0; refused < owners;) {
        refused = 0;
        for (let owner = 0; owner < owners; owner++) {
          if (batcher.hasRoomFor(owner, 1)) {
            void batcher.add({ owner, id: 0, size: 1 });
            got[owner]! += 1;
          } else refused += 1;
        }
      }
      expect(batcher.hasRoomFor('another', 1)).toBe(true);
      return got;
    };
    expect(flood(1)).toEqual([600]);
    expect(flood(2)).toEqual([400, 400]);
    expect(flood(11)).toEqual(Array<number>(11).fill(100));
    expect(held({ ...LIMITS, maxWaiting: 10 }).batcher.hasRoomFor(1, 11)).toBe(false);
  });
});
