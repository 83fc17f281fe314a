import fc from 'fast-check';
import { expect, it } from 'vitest';
import { beginningsIn } from './delivery-window.js';

const AT = 1_764_000_000_000;
const MINUTE_MS = 60_000;
const SLACK_MS = 60_000;

it.each([
  ['the last tenth of a busy minute', { attempts: 1000, later: 0 }, AT + MINUTE_MS, [AT + 54_000, AT, AT - SLACK_MS]],
  ['what the later minutes lack', { attempts: 1000, later: 50 }, AT + 2 * MINUTE_MS, [AT + 57_000, AT, AT - SLACK_MS]],
  [
    'a part of what there is of the minute that is now',
    { attempts: 1000, later: 0 },
    AT + 10_000,
    [AT + 9000, AT, AT - SLACK_MS],
  ],
  ['the whole of a minute of which most is needed', { attempts: 150, later: 0 }, AT + MINUTE_MS, [AT, AT - SLACK_MS]],
] as const)('begins with %s', (_, { attempts, later }, end, expected) => {
  expect(beginningsIn({ at: AT, attempts, later }, 100, end, SLACK_MS)).toEqual(expected);
});

it('goes back, guess by guess, from the end to the slack before the minute', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 500 }),
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 0, max: 5000 }),
      fc.integer({ min: -1000, max: 10 * MINUTE_MS }),
      (later, missing, more, passed) => {
        const minute = { at: AT, attempts: missing + more, later };
        const guesses = beginningsIn(minute, later + missing, AT + passed, SLACK_MS);
        expect(guesses).toEqual(guesses.toSorted((a, b) => b - a));
        expect(guesses[0]).toBeLessThanOrEqual(Math.max(AT, Math.min(AT + passed, AT + MINUTE_MS)));
        expect(guesses.slice(-2)).toEqual([AT, AT - SLACK_MS]);
      },
    ),
  );
});
