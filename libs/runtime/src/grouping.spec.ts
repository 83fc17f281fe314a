import fc from 'fast-check';
import { expect, it } from 'vitest';
import { groupBy, inTurns } from './grouping.js';

const items = fc.array(fc.record({ client: fc.nat(4), nth: fc.nat() }), { maxLength: 50 });

it('puts the first of each client before the second of any, and keeps the order of each', () => {
  expect(inTurns(['a1', 'a2', 'a3', 'b1', 'c1', 'b2'], ([client]) => client)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  expect(inTurns(['a1', 'b1', 'b2', 'a2'], ([client]) => client)).toEqual(['a1', 'b1', 'a2', 'b2']);
});

it('leaves nothing out, and keeps nobody waiting for more of another than it has itself', () => {
  fc.assert(
    fc.property(items, (given) => {
      const turns = inTurns(given, ({ client }) => client);
      const counts = new Map<number, number>();
      for (const { client } of turns) {
        const own = (counts.get(client) ?? 0) + 1;
        counts.set(client, own);
        for (const of of counts.values()) expect(of).toBeLessThanOrEqual(own);
        expect(turns.filter((one) => one.client === client)).toEqual(given.filter((one) => one.client === client));
      }
      expect(turns).toHaveLength(given.length);
    }),
  );
});

it('groups by a key, in the order in which keys and items come', () => {
  const groups = groupBy(['b1', 'a1', 'b2', 'a2'], ([key]) => key);
  expect([...groups]).toEqual([
    ['b', ['b1', 'b2']],
    ['a', ['a1', 'a2']],
  ]);
});
