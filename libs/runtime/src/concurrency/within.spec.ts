import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { settledWithin, unlessAborted, within } from './within.js';

/** When a promise settles, in milliseconds from now, and how. */
const settling = fc.record({ atMs: fc.integer({ min: 0, max: 100 }), fails: fc.boolean() });

function settleLater({ atMs, fails }: { atMs: number; fails: boolean }): Promise<string> {
  return new Promise((resolve, reject) => {
    setTimeout(() => (fails ? reject(new Error('failed')) : resolve('done')), atMs);
  });
}

describe('waits with a limit', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('end as the promise does when that is in time, and otherwise exactly at the limit', async () => {
    await fc.assert(
      fc.asyncProperty(settling, fc.integer({ min: 0, max: 100 }), async (work, limitMs) => {
        fc.pre(work.atMs !== limitMs);
        const startedAt = performance.now();
        const promise = settleLater(work);
        const waiting = within(limitMs, promise, () => 'late').then(
          (result) => ({ result, atMs: performance.now() - startedAt }),
          (error: Error) => ({ result: error.message, atMs: performance.now() - startedAt }),
        );
        await vi.runAllTimersAsync();
        const result = work.fails ? 'failed' : 'done';
        expect(await waiting).toEqual(work.atMs < limitMs ? { result, atMs: work.atMs } : { result: 'late', atMs: limitMs });
        expect(vi.getTimerCount()).toBe(0);
      }),
    );
  });

  it('throw what the caller makes of a promise that takes too long', async () => {
    const waiting = within(10, new Promise(() => undefined), () => {
      throw new Error('no answer');
    });
    const refused = expect(waiting).rejects.toThrow('no answer');
    await vi.runAllTimersAsync();
    await refused;
  });

  it('leave no timer behind a promise that was in time', async () => {
    await within(60_000, Promise.resolve(), () => undefined);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('of several promises say whether all settled in time, either way', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(settling, { maxLength: 5 }), fc.integer({ min: 1, max: 100 }), async (works, limitMs) => {
        fc.pre(works.every(({ atMs }) => atMs !== limitMs));
        const waiting = settledWithin(limitMs, works.map(settleLater));
        await vi.runAllTimersAsync();
        expect(await waiting).toBe(works.every(({ atMs }) => atMs < limitMs));
      }),
    );
  });

  it('end with the reason of a signal, and drop what the promise rejects with later', async () => {
    const controller = new AbortController();
    const waiting = unlessAborted(settleLater({ atMs: 10, fails: true }), controller.signal);
    controller.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
    await vi.runAllTimersAsync();
  });
});
