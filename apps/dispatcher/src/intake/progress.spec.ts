import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinOn } from './progress.js';

const brought = fc.array(fc.integer({ min: 1, max: 30 }).map((sequence) => ({ sequence })));

describe('joinOn', () => {
  it('has with its gaps every sequence above what is planned, up to the newest, once and in order', () => {
    fc.assert(
      fc.property(fc.nat(20), brought, (taken, changes) => {
        const { fresh, gaps } = joinOn(taken, changes);
        const missing = gaps.flatMap(({ after, before }) =>
          Array.from({ length: before - after - 1 }, (_, nth) => after + 1 + nth),
        );
        const newest = Math.max(taken, ...changes.map(({ sequence }) => sequence));
        const all = [...fresh.map(({ sequence }) => sequence), ...missing].sort((one, other) => one - other);
        expect(all).toEqual(Array.from({ length: newest - taken }, (_, nth) => taken + 1 + nth));
        expect(fresh).toEqual([...fresh].sort((one, other) => one.sequence - other.sequence));
      }),
    );
  });
});
