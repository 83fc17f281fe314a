import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AttemptResult } from '#webhook';
import { decideRetry, MAX_RETRY_AFTER_MS, parseRetryAfter, type Verdict } from './retry-policy.js';

const SCHEDULE = [5, 30, 120, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 28_800].map((seconds) => seconds * 1000);
const WINDOW = 86_400_000;
const NOW = Date.parse('2026-11-22T10:00:00Z');

function answer(status: number, retryAfter?: string): AttemptResult {
  return { status, latencyMs: 5, body: '', retryAfter };
}

function verdict(result: AttemptResult, over: { attempts?: number; left?: number; random?: number } = {}): Verdict {
  const { attempts = 1, left = WINDOW, random = 0.5 } = over;
  return decideRetry(SCHEDULE, { result, attempts, leftMs: left, now: NOW, random });
}

/** Plays a delivery that always fails, on a clock of its own; returns when each attempt was made, from the change. */
function play(schedule: readonly number[], windowMs: number, random: () => number): number[] {
  const times: number[] = [];
  for (let now = 0; ;) {
    times.push(now);
    const next = decideRetry(schedule, {
      result: answer(500),
      attempts: times.length,
      leftMs: windowMs - now,
      now,
      random: random(),
    });
    if (next.kind !== 'retry') return times;
    now += next.delayMs;
  }
}

describe('the retry policy', () => {
  it('calls every 2xx delivered, and nothing else', () => {
    for (const status of [200, 201, 204, 299]) expect(verdict(answer(status))).toEqual({ kind: 'delivered' });
    for (const status of [301, 302, 400, 401, 404, 429, 500, 503]) expect(verdict(answer(status)).kind).toBe('retry');
    expect(verdict({ error: 'connection refused', kind: 'refused', latencyMs: 1 }).kind).toBe('retry');
  });

  it('counts a success that comes after the window', () => {
    expect(verdict(answer(200), { left: -1 })).toEqual({ kind: 'delivered' });
  });

  it('follows the schedule', () => {
    SCHEDULE.forEach((delayMs, index) => {
      expect(verdict(answer(500), { attempts: index + 1 })).toEqual({ kind: 'retry', delayMs });
    });
    expect(verdict(answer(500), { attempts: SCHEDULE.length + 1 })).toEqual({ kind: 'failed' });
  });

  it('spreads every delay by a fifth to both sides', () => {
    expect(verdict(answer(500), { random: 0 })).toEqual({ kind: 'retry', delayMs: 4000 });
    expect(verdict(answer(500), { random: 1 })).toEqual({ kind: 'retry', delayMs: 6000 });
  });

  it('honours Retry-After as the least delay, up to an hour', () => {
    expect(verdict(answer(429, '60'))).toEqual({ kind: 'retry', delayMs: 60_000 });
    expect(verdict(answer(503, 'Sun, 22 Nov 2026 10:02:00 GMT'))).toEqual({ kind: 'retry', delayMs: 120_000 });
    expect(verdict(answer(429, '1'))).toEqual({ kind: 'retry', delayMs: 5000 });
    expect(verdict(answer(429, '86400'))).toEqual({ kind: 'retry', delayMs: MAX_RETRY_AFTER_MS });
    for (const huge of ['9'.repeat(400), '3600.5', 'Sun, 22 Nov 2126 10:00:00 GMT', '60, 1000000000000'])
      expect(verdict(answer(503, huge))).toEqual({ kind: 'retry', delayMs: MAX_RETRY_AFTER_MS });
    expect(verdict(answer(429, 'soon'))).toEqual({ kind: 'retry', delayMs: 5000 });
  });

  it('suspends on 410 within the window', () => {
    expect(verdict(answer(410))).toEqual({ kind: 'gone' });
    expect(verdict(answer(410), { left: 0 })).toEqual({ kind: 'failed' });
  });

  it('makes one last attempt inside the window', () => {
    expect(verdict(answer(500), { attempts: 8, left: 3_600_000 })).toEqual({ kind: 'retry', delayMs: 3_599_000 });
    expect(verdict(answer(500), { attempts: 9, left: 1000 })).toEqual({ kind: 'failed' });
  });

  it('makes twelve attempts in a day', () => {
    const times = play(SCHEDULE, WINDOW, () => 0.5);
    expect(times.map((ms) => Math.round(ms / 1000))).toEqual([
      0, 5, 35, 155, 455, 1355, 3155, 6755, 13_955, 28_355, 57_155, 85_955,
    ]);
  });

  it('ends inside the window, whatever the schedule and the chance', () => {
    const law = fc.property(
      fc.array(fc.integer({ min: 1, max: 10_000_000 }), { maxLength: 20 }),
      fc.integer({ min: 1, max: WINDOW }),
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      (schedule, windowMs, chance) => {
        const times = play(schedule, windowMs, () => chance.next().value as number);
        expect(times.length).toBeLessThanOrEqual(schedule.length + 1);
        expect(times.every((ms) => ms <= windowMs)).toBe(true);
        for (let n = 1; n < times.length; n++) {
          if (times[n] === windowMs - 1000) continue; // cut for the last attempt
          const gap = times[n]! - times[n - 1]!;
          expect(gap).toBeGreaterThanOrEqual(schedule[n - 1]! * 0.8 - 1);
          expect(gap).toBeLessThanOrEqual(schedule[n - 1]! * 1.2 + 1);
        }
      },
    );
    fc.assert(law);
  });
});

describe('Retry-After', () => {
  it.each([
    ['0', 0],
    [' 120 ', 120_000],
    ['Sun, 22 Nov 2026 10:00:30 GMT', 30_000],
    ['Sunday, 22-Nov-26 10:00:30 GMT', 30_000],
    ['Sun Nov 22 10:00:30 2026', 30_000],
    ['Sun, 22 Nov 2026 09:00:00 GMT', 0],
    ['', undefined],
    ['-5', undefined],
    ['60.5', 61_000],
    ['60.0', 60_000],
    ['0.001', 1000],
    ['1.', undefined],
    ['.5', undefined],
    ['+60', undefined],
    ['60s', undefined],
    ['1e3', undefined],
    ['0x3c', undefined],
    ['-1.5', undefined],
    ['60, 60', 60_000],
    ['60,120.5 , 90', 121_000],
    ['soon, 60', 60_000],
    [', ,', undefined],
    ['60, Sun, 22 Nov 2026 10:00:30 GMT', 60_000],
    ['Sun, 22 Nov 2026 10:02:00 GMT, 60', 120_000],
    ['Sunday, 22-Nov-26 10:02:00 GMT,Sun Nov 22 10:00:30 2026', 120_000],
    ['Sun, 22 Nov 2026 09:00:00 GMT, Sun, 22 Nov 2026 10:00:30 GMT', 30_000],
    ['2026-11-22', undefined],
    ['tomorrow', undefined],
  ])('%j', (text, expected) => {
    expect(parseRetryAfter(text, NOW)).toBe(expected);
  });
});
