import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTime } from './rfc3339.js';

describe('parseTime', () => {
  it.each([
    ['2026-11-28T20:34:05Z', '2026-11-28T20:34:05.000Z'],
    ['2026-11-28t20:34:05z', '2026-11-28T20:34:05.000Z'],
    ['2026-11-28t20:34:05.5+05:30', '2026-11-28T15:04:05.500Z'],
    ['2026-11-28T20:34:05-00:00', '2026-11-28T20:34:05.000Z'],
    ['2026-11-28T20:34:05-23:59', '2026-11-29T20:33:05.000Z'],
    // The first instant of the next minute, of the next year too.
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
    ['2026-11-28T20:34:60Z', '2026-11-28T20:35:00.000Z'],
    ['1990-12-31T15:59:60-08:00', '1991-01-01T00:00:00.000Z'],
    ['2016-12-31T23:59:60.999Z', '2017-01-01T00:00:00.000Z'],
    // Cut, never rounded up.
    ['2026-11-28T20:34:05.1Z', '2026-11-28T20:34:05.100Z'],
    [`2026-11-28T20:34:05.${'9'.repeat(40)}Z`, '2026-11-28T20:34:05.999Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000Z'],
    ['0001-01-01T00:00:00.001Z', '0001-01-01T00:00:00.001Z'],
    ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
  ])('reads %s', (text, expected) => {
    expect(new Date(parseTime(text)!).toISOString()).toBe(expected);
  });

  it.each([
    ...[
      '',
      'yesterday',
      '2026-11-28',
      '2026-11-28T20:34:05',
      '2026-11-28T20:34Z',
      '2026-11-28 20:34:05Z',
      '2026-11-28T20:34:05.Z',
    ],
    ...[
      '2026-11-28T24:00:00Z',
      '2026-11-28T20:60:00Z',
      '2026-11-28T20:34:61Z',
      '2026-11-28T20:34:05+0530',
      '2026-11-28T20:34:05+24:00',
    ],
    ...['2026-02-30T00:00:00Z', '2026-02-29T00:00:00Z', '1900-02-29T00:00:00Z', '2026-04-31T00:00:00Z', '2026-13-01T00:00:00Z'],
    ...[
      '2026-00-01T00:00:00Z',
      '2026-01-00T00:00:00Z',
      '+002026-11-28T20:34:05Z',
      '12026-11-28T20:34:05Z',
      ' 2026-11-28T20:34:05Z',
    ],
    ...[
      '2026-11-28T20:34:05Z\n',
      '2026-11-28T20:34:05,5Z',
      '２026-11-28T20:34:05Z',
      '2026-11-28T20:34:05+05:30Z',
      '2026-11-28TT20:34:05Z',
    ],
    // Not to be said in four digits once it is UTC.
    ...['0000-01-01T00:00:00+00:01', '9999-12-31T23:59:59-00:01', '9999-12-31T23:59:60Z'],
  ])('refuses %j', (text) => {
    expect(parseTime(text)).toBeUndefined();
  });

  it('reads back every time at every offset', () => {
    const range = { noInvalidDate: true, min: new Date('0001-01-01T00:00:00Z'), max: new Date('9998-12-31T00:00:00Z') };
    fc.assert(
      fc.property(fc.date(range), fc.integer({ min: -1439, max: 1439 }), fc.boolean(), (date, offset, lower) => {
        const minutes = Math.abs(offset);
        const two = (value: number): string => String(value).padStart(2, '0');
        const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
        const text = new Date(date.getTime() + offset * 60_000).toISOString().replace('Z', zone);
        expect(parseTime(lower ? text.toLowerCase() : text)).toBe(date.getTime());
      }),
    );
  });
});
