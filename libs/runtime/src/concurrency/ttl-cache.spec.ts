import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TtlCache } from './ttl-cache.js';

const TTL_MS = 100;
const KEYS = ['a', 'b', 'c'];

const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('get' as const), key: fc.constantFrom(...KEYS) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('answer' as const), which: fc.nat(2), fails: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 70 }) }) },
);

interface Question {
  readonly key: string;
  readonly number: number;
  readonly settle: (fails: boolean) => void;
}

describe('a cache with a time to live', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.advanceTimersByTime(1); // to lru-cache, 0 is no time
  });
  afterEach(() => vi.useRealTimers());

  it('asks once at a time for a key, and only where no answer is young enough; everybody gets that one answer', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const cache = new TtlCache<string, number | undefined>(KEYS.length, TTL_MS);
        const open: Question[] = [];
        let asked = 0;
        // The model: what is kept by key, and what each caller is to be told.
        const kept = new Map<string, { answer: string; until: number }>();
        const told: { of: Promise<string>; expected: string | Question }[] = [];
        const answers = new Map<Question, string>();
        const textOf = (value: number | undefined): string => String(value);
        const tick = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
        const answer = async (which: number, fails: boolean): Promise<void> => {
          const [question] = open.splice(which % Math.max(1, open.length), 1);
          if (!question) return;
          const value = question.number % 3 === 0 ? undefined : question.number; // nothing is an answer, too
          answers.set(question, fails ? `failed ${question.number}` : textOf(value));
          if (!fails) kept.set(question.key, { answer: textOf(value), until: performance.now() + TTL_MS });
          question.settle(fails);
          await tick();
        };
        for (const doing of actions) {
          if (doing.kind === 'get') {
            const { key } = doing;
            const known = kept.get(key);
            const isKept = known !== undefined && performance.now() <= known.until;
            const before = asked;
            const underway = open.find((question) => question.key === key);
            const got = cache.get(key, () => {
              const number = ++asked;
              return new Promise((resolve, reject) => {
                const value = number % 3 === 0 ? undefined : number;
                const settle = (fails: boolean): void => (fails ? reject(new Error(`failed ${number}`)) : resolve(value));
                open.push({ key, number, settle });
              });
            });
            const of = got.then(textOf, (error: Error) => error.message);
            await tick();
            expect(asked - before).toBe(isKept || underway ? 0 : 1);
            told.push({ of, expected: isKept ? known.answer : (underway ?? open.at(-1)!) });
          } else if (doing.kind === 'answer') await answer(doing.which, doing.fails);
          else await vi.advanceTimersByTimeAsync(doing.ms);
        }
        while (open.length > 0) await answer(0, false);
        for (const { of, expected } of told) {
          expect(await of).toBe(typeof expected === 'string' ? expected : answers.get(expected));
        }
      }),
      { numRuns: 200 },
    );
  });

  it('keeps no more answers than it may, and answers those who wait for one that has lost its place', async () => {
    const cache = new TtlCache<number, number>(10, TTL_MS);
    const ask = vi.fn((key: number) => new Promise<number>((resolve) => setTimeout(resolve, 5, key)));
    const waiting = Array.from({ length: 25 }, (_, key) => cache.get(key, () => ask(key)));
    await vi.advanceTimersByTimeAsync(5);
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 25 }, (_, key) => key));
    ask.mockClear();
    const again = Array.from({ length: 25 }, (_, key) => cache.get(key, () => ask(key)));
    await vi.advanceTimersByTimeAsync(5);
    await Promise.all(again);
    expect(ask.mock.calls.length).toBeGreaterThanOrEqual(15);
  });
});
