import { describe, expect, it } from 'vitest';
import { digitsOf } from './numbers';

describe('an id that is typed', () => {
  it.each([
    ['12a', '12'],
    [' 1 204 ', '1204'],
    ['#7', '7'],
    ['-1.5e3', '153'],
    ['one', ''],
  ])('%j is %j', (text, digits) => expect(digitsOf(text)).toBe(digits));
});
