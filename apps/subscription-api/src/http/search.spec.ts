import { expect, it } from 'vitest';
import { wordParam } from './query-params.js';
import { containing, idsBeginning, searchParam } from './search.js';

it('finds what stands there, not what it would stand for', () => {
  expect(containing('50%_1\\2')).toEqual(['%50\\%\\_1\\\\2%']);
  expect(containing(undefined)).toBeNull();
});

it('looks for the cases that names are written in', () => {
  expect(containing('иванов П')).toEqual(['%иванов П%', '%иванов п%', '%ИВАНОВ П%', '%Иванов П%']);
});

it.each([
  ['13', '13%'],
  ['0', '0%'],
  ['1a', null],
  ['12345678901', null],
  [undefined, null],
])('looks for the beginning of an id where %s can be one', (text, pattern) => {
  expect(idsBeginning(text)).toBe(pattern);
});

it('takes text, without the spaces around it, and nothing that the database cannot hold', () => {
  const q = searchParam('');
  expect(q.parse('  094 ')).toBe('094');
  expect(q.parse('   ')).toBeUndefined();
  expect(q.parse(undefined)).toBeUndefined();
  for (const wrong of ['a\u0000', 'x'.repeat(256), ['a', 'b']]) expect(q.safeParse(wrong).success).toBe(false);
});

it('names the words that it takes', () => {
  expect(wordParam(['a', 'b', 'c']).safeParse('d').error?.issues[0]?.message).toBe('must be a, b or c');
});
