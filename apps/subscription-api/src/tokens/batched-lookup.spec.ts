import { describe, expect, it } from 'vitest';
import { BatchedLookup } from './batched-lookup.js';

describe('looking up together', () => {
  it('asks for what came meanwhile in one question, each key once', async () => {
    const questions: (readonly string[])[] = [];
    const answers: (() => void)[] = [];
    const lookup = new BatchedLookup<string>(async (keys) => {
      questions.push(keys);
      await new Promise<void>((resolve) => answers.push(resolve));
      return new Map(keys.filter((key) => key !== 'nobody').map((key) => [key, `${key}!`]));
    });
    const first = lookup.find('a');
    const later = ['b', 'a', 'b', 'nobody', '__proto__'].map((key) => lookup.find(key));
    expect(questions).toEqual([['a']]);
    answers.shift()!();
    expect(await first).toBe('a!');
    await Promise.resolve();
    expect(questions).toEqual([['a'], ['b', 'a', 'nobody', '__proto__']]);
    answers.shift()!();
    expect(await Promise.all(later)).toEqual(['b!', 'a!', 'b!', undefined, '__proto__!']);
  });

  it('bounds a question, and leaves nobody waiting', async () => {
    const sizes: number[] = [];
    const lookup = new BatchedLookup<string>((keys) => {
      sizes.push(keys.length);
      return Promise.resolve(new Map());
    });
    await Promise.all(Array.from({ length: 2501 }, (_, n) => lookup.find(String(n))));
    expect(sizes).toEqual([1, 1000, 1000, 500]);
  });

  it('tells a failure to those that it concerns, and goes on', async () => {
    let fails = true;
    const lookup = new BatchedLookup<number>(() => {
      if (!fails) return Promise.resolve(new Map([['a', 1]]));
      fails = false;
      return Promise.reject(new Error('away'));
    });
    const [first, second] = [lookup.find('a'), lookup.find('a')];
    await expect(first).rejects.toThrow('away');
    expect(await second).toBe(1);
    expect(await lookup.find('a')).toBe(1);
  });
});
