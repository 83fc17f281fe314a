import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isKnownCursor, parseCursor, positionsToAccountFor, startOfLog, type LogBounds } from './cursor.js';

const bounds = (of: Partial<LogBounds>): LogBounds => ({
  lastGivenOut: 100,
  oldestStatus: undefined,
  oldestDirectory: undefined,
  newestDirectory: undefined,
  undone: [],
  ...of,
});

describe('a cursor', () => {
  it.each([
    ['0', 0],
    ['5', 5],
    ['0005', 5],
    [String(2 ** 53), 2 ** 53],
    [String(2n ** 64n), 2 ** 64],
    ['9'.repeat(400), Infinity],
  ])('is a whole number: %j', (text, value) => expect(parseCursor(text)).toBe(value));

  it.each(['', ' 5', '5 ', '-1', '+5', '1e3', '5.0', '0x10', 'abc', '5, 6', '٣', 'NaN', 'Infinity'])('is no %j', (text) =>
    expect(parseCursor(text)).toBeUndefined(),
  );

  it('of 0 begins with the first entry that is kept', () => {
    expect(startOfLog(bounds({}))).toBe(0);
    expect(startOfLog(bounds({ oldestStatus: 7 }))).toBe(6);
    expect(startOfLog(bounds({ oldestStatus: 7, oldestDirectory: 3 }))).toBe(2);
  });

  it('is known where it was given out, and not for what a restore has undone', () => {
    const of = bounds({ undone: [{ after: 40, until: 90 }] });
    expect([0, 40, 41, 89, 90, 100, 101].filter((cursor) => isKnownCursor(cursor, of))).toEqual([0, 40, 90, 100]);
  });

  it('is not judged by what is not settled', () => {
    const of = bounds({ oldestStatus: 10, oldestDirectory: 1, newestDirectory: 20 });
    expect(positionsToAccountFor(3, of, 50)).toEqual({ after: 3, upTo: 9 });
    expect(positionsToAccountFor(3, of, 5)).toEqual({ after: 3, upTo: 5 });
    expect(positionsToAccountFor(5, of, 5)).toBeUndefined();
    expect(positionsToAccountFor(9, of, 50)).toBeUndefined();
  });

  it('is expired in a log that was emptied, unless it is the last one', () => {
    expect(positionsToAccountFor(99, bounds({}), 0)).toEqual({ after: 99, upTo: 100 });
    expect(positionsToAccountFor(100, bounds({}), 0)).toBeUndefined();
  });

  it('is continued exactly where nothing after it was dropped, wherever the old end is cut off', () => {
    const log = fc.array(fc.constantFrom<'status' | 'agent'>('status', 'agent'), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(log, fc.nat(30), fc.nat(30), (kinds, cut, at) => {
        const all = kinds.map((kind, index) => ({ kind, position: index + 1 }));
        const cursor = 1 + (at % all.length);
        // Directory changes go with the status changes around them.
        const kept = all.slice(cut % all.length);
        const positions = (kind: string): number[] => kept.filter((one) => one.kind === kind).map(({ position }) => position);
        const of = bounds({
          lastGivenOut: all.length,
          oldestStatus: positions('status')[0],
          oldestDirectory: positions('agent')[0],
          newestDirectory: positions('agent').at(-1),
        });
        const due = positionsToAccountFor(cursor, of, all.length);
        const found = positions('agent').filter((one) => due && one > due.after && one <= due.upTo).length;
        const isComplete = !due || found === due.upTo - due.after;
        expect(isComplete).toBe(cursor >= kept[0]!.position - 1);
      }),
    );
  });
});
