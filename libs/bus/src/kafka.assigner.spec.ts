import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shareOut } from './kafka.assigner.js';

describe('the assigner', () => {
  it('gives each partition to one member, those of a shard to the same, and each about as many shards', () => {
    const topics = fc.array(fc.record({ count: fc.integer({ min: 1, max: 60 }), shards: fc.integer({ min: 1, max: 60 }) }), {
      minLength: 1,
      maxLength: 3,
    });
    const members = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(members, topics, (names, wanted) => {
        const sharded = wanted.map(({ count, shards }, index) => ({
          ...{ topic: `t${index}`, partitions: Array.from({ length: count }, (_, partition) => partition), shards },
        }));
        const shares = shareOut(names, sharded);
        const shardsOf = new Map<string, number>();
        for (const { topic, partitions, shards } of sharded) {
          const owners = partitions.map((partition) => names.filter((name) => shares.get(name)?.[topic]?.includes(partition)));
          expect(owners.every((one) => one.length === 1)).toBe(true);
          for (const partition of partitions) expect(owners[partition]).toEqual(owners[partition % shards]);
          for (const [owner] of owners.slice(0, shards)) shardsOf.set(owner!, (shardsOf.get(owner!) ?? 0) + 1);
        }
        const counts = names.map((name) => shardsOf.get(name) ?? 0);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('does not depend on the order in which the members are told', () => {
    const topics = [{ topic: 't', partitions: [0, 1, 2, 3, 4, 5], shards: 6 }];
    expect([...shareOut(['a', 'b', 'c'], topics)]).toEqual([...shareOut(['c', 'a', 'b'], topics)]);
    expect(shareOut(['a', 'b'], topics).get('a')).toEqual({ t: [0, 2, 4] });
  });
});
