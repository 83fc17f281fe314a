import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatDuration, formatLatency, formatLength, startOfDay, toLocalInput } from './time';

it.each([
  [58_000, '0:58'],
  [958_000, '15:58'],
  [3_730_000, '1:02:10'],
  [187_200_000, '2 d 4 h'],
  [-5000, '0:00'],
])('writes a duration of %i ms as %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

it.each([
  [12_000, '12 s'],
  [240_000, '4 min'],
  [7_800_000, '2 h 10 min'],
  [7_199_000, '2 h'],
  [259_200_000, '3 d'],
])('writes a length of %i ms as %s', (ms, text) => {
  expect(formatLength(ms)).toBe(text);
});

it('writes a latency with its unit', () => {
  expect([formatLatency(85), formatLatency(2507)]).toEqual(['85 ms', '2.5 s']);
});

it('gives a local moment to an input and gets the same back', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }), (at) => {
      const whole = new Date(Math.floor(at.getTime() / 1000) * 1000);
      const back = new Date(toLocalInput(whole));
      // The hour that is there twice when summer time ends may come back as the other one.
      expect(Math.abs(back.getTime() - whole.getTime()) % 3_600_000).toBe(0);
    }),
  );
});

it('finds the midnight before', () => {
  const start = startOfDay(new Date(2026, 10, 22, 15, 30));
  expect([start.getDate(), start.getHours(), start.getMinutes()]).toEqual([22, 0, 0]);
});
