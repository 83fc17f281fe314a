import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ID_LIMIT, isId, parseId } from './id.js';

describe('parseId', () => {
  it('reads back every id as it is written', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: ID_LIMIT - 1 }), (id) => parseId(String(id)) === id && isId(id)));
  });

  it('reads nothing that is not written as an id is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double().map(String), fc.bigInt().map(String)), (text) => {
        const id = parseId(text);
        return id === undefined || (String(id) === text && isId(id));
      }),
    );
  });

  it.each(['', ' 1', '1 ', '01', '-1', '+1', '1.0', '1e3', '0x10', '4294967296', '99999999999', '１', 'null'])(
    'refuses %j',
    (text) => {
      expect(parseId(text)).toBeUndefined();
    },
  );
});

describe('isId', () => {
  it.each([-1, 0.5, ID_LIMIT, NaN, Infinity, '1', null, undefined])('refuses %j', (value) => {
    expect(isId(value)).toBe(false);
  });
});
