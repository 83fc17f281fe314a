import { expect, it } from 'vitest';
import { isNodeTooOld } from './version.js';

it.each([
  ['20.20.2', true],
  ['22.18.9', true],
  ['22.19.0', false],
  ['24.0.0', false],
])('Node.js %s is too old: %s', (node, tooOld) => {
  expect(isNodeTooOld(node)).toBe(tooOld);
});
