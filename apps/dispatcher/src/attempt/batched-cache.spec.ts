import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BatchedCache } from './batched-cache.js';

const TTL_MS = 300;
const MISSING = -1;

describe('a cache that reads many keys at once', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('gives nobody a value whose reading began longer ago than its time to live, however many are asked for at once', async () => {
    const bursts = fc.array(
      fc.record({ keys: fc.integer({ min: 1, max: 1300 }), passMs: fc.constantFrom(0, 100, 400), fails: fc.boolean() }),
      { minLength: 2, maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(bursts, async (all) => {
        let version = 0;
        let fails = false;
        const sizes: number[] = [];
        // What is read is when it was read; key 0 is nowhere.
        const cache = new BatchedCache<number>(
          (keys) => {
            sizes.push(keys.length);
            if (fails) return Promise.reject(new Error('away'));
            return Promise.resolve(new Map(keys.filter((key) => key > 0).map((key) => [key, version])));
          },
          MISSING,
          TTL_MS,
        );
        for (const burst of all) {
          fails = burst.fails;
          version = performance.now();
          const asked = Array.from({ length: burst.keys }, (_, key) => cache.get(key));
          const again = cache.get(0);
          const settled = Promise.allSettled([...asked, again]);
          await vi.advanceTimersByTimeAsync(0);
          for (const [key, one] of (await settled).entries()) {
            if (one.status === 'rejected') expect(fails).toBe(true);
            else {
              expect(performance.now() - one.value.readAt).toBeLessThan(TTL_MS);
              expect(one.value.value).toBe(key % burst.keys === 0 ? MISSING : one.value.readAt);
            }
          }
          await vi.advanceTimersByTimeAsync(burst.passMs);
        }
        expect(Math.max(...sizes)).toBeLessThanOrEqual(500);
      }),
      { numRuns: 30 },
    );
  });
});
