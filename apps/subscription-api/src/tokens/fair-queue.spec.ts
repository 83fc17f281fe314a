import { describe, expect, it } from 'vitest';
import { FairQueue } from './fair-queue.js';

const drain = (queue: FairQueue<string>): string[] => {
  const items = [];
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) items.push(item);
  return items;
};

describe('a fair queue', () => {
  it('has groups take turns, at every level', () => {
    const queue = new FairQueue<string>(100);
    for (const n of [1, 2, 3]) queue.push(['flood', 'x'], `flood x${n}`);
    queue.push(['flood', 'y'], 'flood y1');
    queue.push(['quiet', 'z'], 'quiet z1');
    expect(queue.size).toBe(5);
    expect(drain(queue)).toEqual(['flood x1', 'quiet z1', 'flood y1', 'flood x2', 'flood x3']);
    expect(queue.size).toBe(0);
  });

  it('is bounded, and has whoever holds most places give way', () => {
    const queue = new FairQueue<string>(4);
    for (const n of [1, 2, 3, 4]) expect(queue.push(['a', 'x'], `a x${n}`)).toBeUndefined();
    expect(queue.push(['a', 'x'], 'a x5')).toBe('a x5');
    expect(queue.push(['b', 'x'], 'b x1')).toBe('a x4');
    expect(queue.push(['a', 'y'], 'a y1')).toBe('a x3');
    expect(queue.push(['b', 'x'], 'b x2')).toBe('a x2');
    expect(queue.push(['b', 'y'], 'b y1')).toBe('b x2');
    expect(queue.push(['c', 'x'], 'c x1')).toMatch(/^[ab] /);
    expect(queue.size).toBe(4);
    expect(drain(queue)).toContain('c x1');
  });

  it('refuses newcomers where everybody has one place', () => {
    const queue = new FairQueue<string>(3);
    for (const name of ['a', 'b', 'c']) queue.push([name, name], name);
    expect(queue.push(['d', 'd'], 'd')).toBe('d');
    expect(drain(queue)).toEqual(['a', 'b', 'c']);
  });

  it('has no place at all where there is none', () => {
    expect(new FairQueue<string>(0).push(['a'], 'a')).toBe('a');
  });
});
