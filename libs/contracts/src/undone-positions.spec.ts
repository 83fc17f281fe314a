import { describe, expect, it } from 'vitest';
import { isUndone, pastUndone } from './undone-positions.js';

describe('positions that restores have undone', () => {
  const spans = [
    { after: 10, until: 100 },
    { after: 120, until: 1000 },
  ];

  it('are those between the last change that was restored and the next one', () => {
    expect([9, 10, 11, 99, 100, 101, 120, 121, 999, 1000].filter((position) => isUndone(position, spans))).toEqual([
      11, 99, 121, 999,
    ]);
    expect(isUndone(11, [])).toBe(false);
  });

  it('are passed over in one step', () => {
    expect([9, 10, 50, 99, 100, 119, 120, 999, 1000].map((position) => pastUndone(position, spans))).toEqual([
      9, 100, 100, 100, 100, 119, 1000, 1000, 1000,
    ]);
    expect(pastUndone(10, [...spans, { after: 100, until: 110 }])).toBe(110);
  });
});
