import { expect, it } from 'vitest';
import { Tally } from './tally.js';

const counts = (maxKeys = 10) => new Tally<{ key: string; n: number }>(maxKeys, (into, older) => (into.n += older.n));
const count = (tally: ReturnType<typeof counts>, key: string): void => {
  const value = tally.of(key, () => ({ key, n: 0 }));
  if (value) value.n += 1;
};
const taken = async (tally: ReturnType<typeof counts>, atOnce = 10): Promise<unknown[]> => {
  const written: unknown[] = [];
  await tally.flush(atOnce, (values) => {
    written.push(values.map(({ key, n }) => `${key}${n}`));
    return Promise.resolve();
  });
  return written;
};

it('gathers by key, and gives all of it away once, so many at a time', async () => {
  const tally = counts();
  for (const key of ['a', 'b', 'a', 'c']) count(tally, key);
  expect(await taken(tally, 2)).toEqual([['a2', 'b1'], ['c1']]);
  expect(await taken(tally)).toEqual([]);
});

it('keeps what could not be written, together with what came meanwhile', async () => {
  const tally = counts();
  count(tally, 'a');
  count(tally, 'b');
  const failing = tally.flush(10, () => {
    count(tally, 'a');
    return Promise.reject(new Error('away'));
  });
  await expect(failing).rejects.toThrow('away');
  expect(await taken(tally)).toEqual([['a2', 'b1']]);
});

it('leaves out new keys when it is full', async () => {
  const tally = counts(1);
  for (const key of ['a', 'b', 'a']) count(tally, key);
  expect(await taken(tally)).toEqual([['a2']]);
});
