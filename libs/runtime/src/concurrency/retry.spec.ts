import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffDelay, retry, waitBackoff } from './retry.js';

describe('backoffDelay', () => {
  it('stays between half the step and the step, and the step doubles up to its limit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
        const delay = backoffDelay(attempt, { firstMs: 100, maxMs: 5000 }, random);
        const step = Math.min(5000, 100 * 2 ** (attempt - 1));
        expect(delay).toBeGreaterThanOrEqual(step / 2);
        expect(delay).toBeLessThanOrEqual(step);
      }),
    );
  });

  it('ends a wait when it is aborted', async () => {
    const controller = new AbortController();
    const waiting = waitBackoff(1, { firstMs: 3_600_000, maxMs: 3_600_000 }, controller.signal);
    controller.abort();
    await expect(waiting).resolves.toBeUndefined();
  });
});

describe('retry', () => {
  const backoff = { firstMs: 1, maxMs: 1 };

  it('repeats work until it succeeds, and tells of each failure', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(4), async (failures) => {
        const told: unknown[] = [];
        let attempts = 0;
        const work = (): Promise<string> => (attempts++ < failures ? Promise.reject(new Error('no')) : Promise.resolve('done'));
        const result = await retry(work, {
          backoff,
          onFailure: (error, attempt) => told.push([(error as Error).message, attempt]),
        });
        expect(result).toBe('done');
        expect(told).toEqual(Array.from({ length: failures }, (_, index) => ['no', index + 1]));
      }),
      { numRuns: 10 },
    );
  });

  it('gives up with what is thrown instead', async () => {
    const giveUp = (): never => {
      throw new Error('enough');
    };
    await expect(retry(() => Promise.reject(new Error('no')), { backoff, onFailure: giveUp })).rejects.toThrow('enough');
  });

  it('makes one last attempt once it is aborted, without a wait, and throws what that throws', async () => {
    const controller = new AbortController();
    const told: number[] = [];
    let attempts = 0;
    const working = retry(() => Promise.reject(new Error(`attempt ${++attempts}`)), {
      backoff: { firstMs: 3_600_000, maxMs: 3_600_000 },
      signal: controller.signal,
      onFailure: (_, attempt) => {
        told.push(attempt);
        controller.abort();
      },
    });
    await expect(working).rejects.toThrow('attempt 2');
    expect(told).toEqual([1]);
  });
});
