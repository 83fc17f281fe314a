import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { carriedOn, MAX_POINTS, placed, spanOf } from './span.js';

const NOW = Date.parse('2026-11-22T10:07:30Z');
const at = (text: string): Date => new Date(text);

describe('the points of a chart', () => {
  it('are the minutes of the last hour where nothing else is asked for', () => {
    expect(spanOf({}, NOW)).toEqual({ from: Date.parse('2026-11-22T09:07:00Z') / 1000, step: 60, points: 61, grain: 60 });
  });

  it('are as wide as a long span needs', () => {
    const since = at('2026-11-15T10:07:30Z');
    expect(spanOf({ since }, NOW)).toMatchObject({ step: 900, grain: 60 });
    expect(spanOf({ since: at('2026-10-22T10:07:30Z') }, NOW)).toMatchObject({ step: 3600, grain: 3600 });
  });

  it('end now, whatever is asked for', () => {
    const { from, step, points } = spanOf({ since: at('2026-11-22T10:00:00Z'), until: at('2027-01-01T00:00:00Z') }, NOW);
    expect([from + step * points, points]).toEqual([Date.parse('2026-11-22T10:08:00Z') / 1000, 8]);
  });

  it.each([
    [{ since: at('2026-11-22T10:00:00Z'), until: at('2026-11-22T10:00:00Z') }, 'until'],
    [{ since: at('2026-11-23T10:00:00Z') }, 'since'],
    [{ since: at('2026-11-23T10:00:00Z'), until: at('2026-11-24T10:00:00Z') }, 'since'],
    [{ since: at('2026-11-15T10:00:00Z'), step: 60 }, 'step'],
    [{ since: at('1700-01-01T00:00:00Z') }, 'since'],
  ])('are refused for %j', (query, field) => {
    expect(() => spanOf(query, NOW)).toThrow(expect.objectContaining({ errors: { [field]: [expect.any(String)] } }) as Error);
  });

  it('are never too many, cover what was asked for, and take the step that was told', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), fc.option(fc.integer({ min: 1, max: 1440 })), (seconds, steps) => {
        const since = new Date(NOW - seconds * 1000);
        const step = steps === null ? undefined : steps * 60;
        let span;
        try {
          span = spanOf({ since, step }, NOW);
        } catch (error) {
          const least = Number(/at least (\d+)/.exec(String((error as { errors: { step: string[] } }).errors.step[0]))![1]);
          expect(least).toBeGreaterThan(step!);
          span = spanOf({ since, step: least }, NOW);
        }
        expect(span.points).toBeLessThanOrEqual(MAX_POINTS);
        expect(span.from * 1000).toBeLessThanOrEqual(since.getTime());
        expect((span.from + span.step) * 1000).toBeGreaterThan(since.getTime());
        expect((span.from + span.step * span.points) * 1000).toBeGreaterThanOrEqual(NOW);
      }),
    );
  });
});

it('puts what there is in its place', () => {
  const span = { from: 0, step: 60, points: 4, grain: 60 } as const;
  const rows = [
    { point: 1, n: 5 },
    { point: 3, n: 7 },
  ];
  expect(placed(span, rows, ({ n }) => n, 0)).toEqual([0, 5, 0, 7]);
  expect(
    carriedOn(
      placed<(typeof rows)[0], number | undefined>(span, rows, ({ n }) => n, undefined),
      2,
    ),
  ).toEqual([2, 5, 5, 7]);
});
