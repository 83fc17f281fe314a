import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDuration } from '../duration.js';
import { backoffDelay, waitBackoff } from './retry.js';

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

describe('parseDuration', () => {
  it.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
  ])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));
  it.each(['', '5', 's', '-1s', '1 day', '1e3s'])('"%s" is no duration', (text) => expect(parseDuration(text)).toBeUndefined());
});
