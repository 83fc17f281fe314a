import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MicroBatcher } from './micro-batcher.js';

interface Job {
  readonly owner: number;
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
});
