import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isSettled,
  planRotation,
  PUBLISHED_AFTER_MS,
  PUBLISHED_BEFORE_MS,
  signingKeyAt,
  type RotatingKey,
} from './key-rotation.js';
import { CLOCK_TOLERANCE_SECONDS, JWKS_MAX_AGE_SECONDS, TOKEN_LIFETIME_SECONDS } from './token.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const LIFETIME = 30 * DAY;

const key = (kid: string, activatesAt: number, isReplacementAsked = false): RotatingKey => ({
  kid,
  activatesAt,
  isReplacementAsked,
});

describe('the rotation of signing keys', () => {
  it('makes the first key, which signs at once', () => {
    expect(planRotation([], 1000, LIFETIME)).toEqual({ addActivatingAt: 1000, remove: [] });
  });

  it('makes the successor just early enough to be published before it signs', () => {
    const due = LIFETIME - PUBLISHED_BEFORE_MS;
    expect(isSettled(planRotation([key('a', 0)], due - 1, LIFETIME))).toBe(true);
    expect(planRotation([key('a', 0)], due, LIFETIME)).toEqual({ addActivatingAt: LIFETIME, remove: [] });
  });

  it('makes one successor, not one at each look', () => {
    expect(isSettled(planRotation([key('a', 0), key('b', LIFETIME)], LIFETIME - 1, LIFETIME))).toBe(true);
  });

  it('makes a successor that was asked for, once', () => {
    expect(planRotation([key('a', 0, true)], HOUR, LIFETIME)).toEqual({
      addActivatingAt: HOUR + PUBLISHED_BEFORE_MS,
      remove: [],
    });
    expect(isSettled(planRotation([key('a', 0, true), key('b', 2 * HOUR)], HOUR, LIFETIME))).toBe(true);
    expect(isSettled(planRotation([key('a', 0, true), key('b', 2 * HOUR)], 2 * HOUR, LIFETIME))).toBe(true);
  });

  it('removes a key when the last token that it signed has expired', () => {
    const keys = [key('a', 0), key('b', DAY)];
    expect(planRotation(keys, DAY + PUBLISHED_AFTER_MS - 1, LIFETIME).remove).toEqual([]);
    expect(planRotation(keys, DAY + PUBLISHED_AFTER_MS, LIFETIME).remove).toEqual(['a']);
  });

  it('signs with the newest active key, and by a clock that is behind with the first', () => {
    const keys = [key('b', 200), key('a', 100)];
    expect([50, 100, 199, 200, 300].map((now) => signingKeyAt(keys, now)?.kid)).toEqual(['a', 'a', 'a', 'b', 'b']);
    expect(signingKeyAt([], 0)).toBeUndefined();
  });

  // A world of instances that look at irregular times, with clocks and key lists that are late, and people who ask for rotations.
  const looks = fc.array(
    fc.record({
      // Until the next look; now and then nobody looks for hours.
      afterMs: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: MINUTE }) }, fc.integer({ min: 1, max: 3 * HOUR })),
      ask: fc.boolean(),
      /** How old the list of keys is that an instance signs by, or how far its clock is off. */
      lagMs: fc.integer({ min: -MINUTE, max: MINUTE }),
    }),
    { minLength: 1, maxLength: 120 },
  );

  it('never signs with a key too early, nor removes one too soon, whenever it is looked at', () => {
    fc.assert(
      fc.property(looks, fc.integer({ min: HOUR, max: 2 * DAY }), (steps, lifetime) => {
        let keys: RotatingKey[] = [];
        const publishedAt = new Map<string, number>();
        const expiresAt = new Map<string, number>();
        let now = 0;
        for (const { afterMs, ask, lagMs } of steps) {
          now += afterMs;
          const asker = ask ? signingKeyAt(keys, now)?.kid : undefined;
          keys = keys.map((one) => (one.kid === asker ? { ...one, isReplacementAsked: true } : one));

          const { addActivatingAt, remove } = planRotation(keys, now, lifetime);
          // No key leaves before every token that it signed has expired.
          for (const kid of remove) expect(expiresAt.get(kid) ?? 0).toBeLessThanOrEqual(now);
          keys = keys.filter(({ kid }) => !remove.includes(kid));
          if (addActivatingAt !== undefined) {
            const made = key(`k${publishedAt.size}`, addActivatingAt);
            publishedAt.set(made.kid, now);
            keys = [...keys, made];
          }
          // A second look at the same time finds nothing to do, so instances that look together agree.
          expect(isSettled(planRotation(keys, now, lifetime))).toBe(true);

          // There is one key that signs, and at most one that is to come.
          expect(keys.filter(({ activatesAt }) => activatesAt > now).length).toBeLessThanOrEqual(1);
          const signing = signingKeyAt(keys, now + lagMs)!;
          expect(keys).toContain(signing);
          // No key but the very first signs before every copy of the key set has been fetched anew.
          if (signing.kid !== 'k0')
            expect(now - publishedAt.get(signing.kid)!).toBeGreaterThanOrEqual(JWKS_MAX_AGE_SECONDS * 1000);
          const expiry = now + (TOKEN_LIFETIME_SECONDS + CLOCK_TOLERANCE_SECONDS) * 1000;
          expiresAt.set(signing.kid, Math.max(expiry, expiresAt.get(signing.kid) ?? 0));
        }
        expect(keys.length).toBeLessThanOrEqual(2 + PUBLISHED_AFTER_MS / PUBLISHED_BEFORE_MS);
      }),
    );
  });
});
