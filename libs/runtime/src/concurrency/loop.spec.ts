import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Loop, type LoopOptions } from './loop.js';

const BACKOFF = { firstMs: 100, maxMs: 400 };
const MIN_MS = 3;

/** What happens to a loop: it is woken, a step of it ends, or time passes. */
const event = fc.oneof(
  fc.record({ kind: fc.constant('wake' as const), inMs: fc.constantFrom(0, 5, 40) }),
  fc.record({ kind: fc.constant('end' as const), nextMs: fc.constantFrom(0, 10, 50, Infinity), fails: fc.boolean() }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 60 }) }),
);

/** A loop whose steps end when the test says so. */
function controlledLoop(minMs: number) {
  const steps: { begunAt: number; end: (nextMs: number) => void; fail: () => void }[] = [];
  const errors: number[] = [];
  let running = 0;
  const step = (): Promise<number> => {
    expect(++running).toBe(1);
    return new Promise<number>((resolve, reject) => {
      steps.push({ begunAt: performance.now(), end: resolve, fail: () => reject(new Error('failed')) });
    }).finally(() => (running -= 1));
  };
  const loop = new Loop({ step, onError: (_, failures) => errors.push(failures), backoff: BACKOFF, minMs });
  return { loop, steps, errors };
}

describe('a loop', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('begins each step exactly when it is due, woken or not, one at a time, and after a failure not before its backoff', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 40 }), async (events) => {
        vi.spyOn(Math, 'random').mockReturnValue(1);
        const { loop, steps, errors } = controlledLoop(MIN_MS);
        loop.start();
        // The model: when the next step may begin, and is due. Times are whole milliseconds, as timers are.
        let isOut = true;
        let dueAt = Infinity;
        let notBefore = 0;
        let failures = 0;
        let begun = 1;
        const settle = async (): Promise<void> => {
          await vi.advanceTimersByTimeAsync(0);
          if (!isOut && Math.max(dueAt, notBefore) <= performance.now()) {
            isOut = true;
            dueAt = Infinity;
            begun += 1;
          }
          expect(steps).toHaveLength(begun);
        };
        await settle();
        for (const happening of events) {
          if (happening.kind === 'wake') {
            loop.wakeIn(happening.inMs);
            dueAt = Math.min(dueAt, performance.now() + happening.inMs);
          } else if (happening.kind === 'end' && isOut) {
            isOut = false;
            const { fails, nextMs } = happening;
            if (fails) {
              steps.at(-1)!.fail();
              failures += 1;
              notBefore = performance.now() + Math.min(BACKOFF.maxMs, BACKOFF.firstMs * 2 ** (failures - 1));
              dueAt = performance.now();
            } else {
              steps.at(-1)!.end(nextMs);
              failures = 0;
              notBefore = performance.now() + MIN_MS;
              dueAt = Math.min(dueAt, performance.now() + nextMs);
            }
          } else if (happening.kind === 'pass') {
            for (let ms = 0; ms < happening.ms; ms++) {
              await vi.advanceTimersByTimeAsync(1);
              await settle();
            }
          }
          await settle();
        }
        expect(errors.at(-1) ?? 0).toBeGreaterThanOrEqual(failures);
        const stopped = loop.stop();
        if (isOut) steps.at(-1)!.end(0);
        await stopped;
        await vi.advanceTimersByTimeAsync(10_000);
        expect(steps).toHaveLength(begun);
        expect(vi.getTimerCount()).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('counts failures anew once a step that lasts has said that it succeeded', async () => {
    const errors: number[] = [];
    const step = vi.fn<LoopOptions['step']>().mockRejectedValueOnce(new Error('one')).mockRejectedValueOnce(new Error('two'));
    step.mockImplementation((succeeded) => {
      succeeded();
      return Promise.reject(new Error('broken'));
    });
    const loop = new Loop({ step, onError: (_, failures) => errors.push(failures), backoff: BACKOFF });
    loop.start();
    await vi.advanceTimersByTimeAsync(1000);
    await loop.stop();
    expect(errors.slice(0, 4)).toEqual([1, 2, 1, 1]);
  });

  it('ends a wait and a backoff at once when it is stopped, and may be stopped before it was started', async () => {
    for (const step of [() => Promise.resolve(Infinity), () => Promise.reject(new Error('failed'))]) {
      const loop = new Loop({ step, onError: () => undefined, backoff: { firstMs: 3_600_000, maxMs: 3_600_000 } });
      loop.start();
      await vi.advanceTimersByTimeAsync(10);
      await loop.stop();
    }
    await controlledLoop(0).loop.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('waits for longer than a timer can', async () => {
    const step = vi.fn(() => Promise.resolve(2 ** 32));
    const loop = new Loop({ step, onError: () => undefined, backoff: BACKOFF });
    loop.start();
    await vi.advanceTimersByTimeAsync(2 ** 31);
    expect(step).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(2 ** 31);
    expect(step).toHaveBeenCalledTimes(2);
    await loop.stop();
  });
});
