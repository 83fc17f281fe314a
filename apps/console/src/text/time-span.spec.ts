import { describe, expect, it } from 'vitest';
import { momentsOf } from './time-span';

const NOON = Date.parse('2026-03-09T12:00:00.000Z');

describe('the moments of a time', () => {
  it('go on with the clock where it is of late', () => {
    expect(momentsOf({ span: '1h' }, NOON)).toEqual({ since: '2026-03-09T11:00:00.000Z' });
    expect(momentsOf({ span: '1h' }, NOON + 60_000)).toEqual({ since: '2026-03-09T11:01:00.000Z' });
    expect(momentsOf({ span: '7d' }, NOON)).toEqual({ since: '2026-03-02T12:00:00.000Z' });
  });

  it('are those that were chosen, where any were', () => {
    const between = { since: '2026-03-01T00:00:00.000Z', until: '2026-03-02T00:00:00.000Z' };
    expect(momentsOf(between, NOON)).toEqual(between);
    expect(momentsOf({}, NOON)).toEqual({ since: undefined, until: undefined });
  });
});
