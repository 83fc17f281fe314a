import { describe, expect, it } from 'vitest';
import { parseTicks } from './processor.js';

const rest = '0 -1 4194304 123 0 0 0 70 5 200 11 20 0 1 0 99164';

describe('parseTicks', () => {
  it.each(['node', 'a b', 'x) S 1 2 (y', 'postgres: io worker 1'])('reads the line of a program named %j', (name) => {
    expect(parseTicks(`4711 (${name}) S 42 4711 4637 ${rest}`)).toEqual({ pid: 4711, parent: 42, own: 75, ended: 211 });
  });
});
