import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { advance, GIVE_UP_MS, GRACE_MS, type HighWaterMark } from './high-water-mark.js';

const at = (position: number): HighWaterMark => ({ position, probe: undefined });
const idle = { xmin: 100n, xmax: 100n };

describe('the high-water mark', () => {
  it('follows positions without gaps at once', () => {
    expect(advance(at(5), [6, 7, 8], idle, 0)).toEqual(at(8));
    expect(advance(at(5), [], idle, 0)).toEqual(at(5));
  });

  it('waits before a gap while a transaction that may fill it is open', () => {
    const waiting = advance(at(5), [6, 8], { xmin: 50n, xmax: 60n }, 0);
    expect(waiting).toEqual({ position: 6, probe: { upTo: 8, xmax: 60n, at: 0 } });
    expect(advance(waiting, [8, 9], { xmin: 59n, xmax: 70n }, GRACE_MS * 5).position).toBe(6);
    expect(advance(waiting, [8], { xmin: 60n, xmax: 70n }, GRACE_MS - 1).position).toBe(6);
    expect(advance(waiting, [8, 9], { xmin: 60n, xmax: 70n }, GRACE_MS)).toEqual(at(9));
    expect(advance(waiting, [7, 8, 9], { xmin: 59n, xmax: 70n }, 1)).toEqual(at(9));
  });

  it('gives a gap up in the end, and watches the next one on its own', () => {
    const waiting = advance(at(5), [7], { xmin: 1n, xmax: 60n }, 0);
    const next = advance(waiting, [7, 9], { xmin: 1n, xmax: 70n }, GIVE_UP_MS);
    expect(next).toEqual({ position: 7, probe: { upTo: 9, xmax: 70n, at: GIVE_UP_MS } });
  });

  it('never passes a change that is committed later, however transactions overlap', () => {
    // Transaction i has position i + 1 and id i, and commits at a time of its own, or rolls back.
    const transactions = fc.array(fc.record({ commits: fc.integer({ min: 0, max: 15_000 }), rollback: fc.boolean() }), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(transactions, (all) => {
        let mark = at(0);
        const seen = new Set<number>();
        for (let now = 0; now <= 60_000; now += 250) {
          const open = all.map(({ commits }, id) => ({ id, done: commits <= now })).filter(({ done }) => !done);
          const xmax = BigInt(all.length);
          const visible = all.flatMap(({ commits, rollback }, id) =>
            commits <= now && !rollback && id + 1 > mark.position ? [id + 1] : [],
          );
          const before = mark.position;
          mark = advance(mark, visible, { xmin: open[0] ? BigInt(open[0].id) : xmax, xmax }, now);
          for (const position of visible) if (position > before && position <= mark.position) seen.add(position);
        }
        expect([...seen].sort((a, b) => a - b)).toEqual(all.flatMap(({ rollback }, id) => (rollback ? [] : [id + 1])));
      }),
    );
  });
});
