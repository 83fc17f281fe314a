import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LATENCY_BOUNDS_MS, LATENCY_BUCKETS, latencyBucketOf } from '#contracts';
import { percentileOf } from './percentile.js';

it('knows nothing of none', () => {
  expect(percentileOf(new Array<number>(LATENCY_BUCKETS).fill(0), 0.5)).toBeNull();
});

it('is right to the step, for any durations', () => {
  const durations = fc.array(fc.integer({ min: 0, max: 12_000 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(durations, fc.constantFrom(0.5, 0.95), (all, part) => {
      const counts = new Array<number>(LATENCY_BUCKETS).fill(0);
      for (const ms of all) counts[latencyBucketOf(ms)]! += 1;
      const sorted = all.toSorted((a, b) => a - b);
      const exact = sorted[Math.ceil(part * sorted.length) - 1]!;
      const step = latencyBucketOf(exact);
      const told = percentileOf(counts, part)!;
      expect(told).toBeGreaterThanOrEqual(LATENCY_BOUNDS_MS[step - 1] ?? 0);
      expect(told).toBeLessThanOrEqual(LATENCY_BOUNDS_MS[step] ?? LATENCY_BOUNDS_MS.at(-1)!);
    }),
  );
});
