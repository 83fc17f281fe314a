import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isKept, latenciesOf, limitOf } from './verdict.js';

const took = fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 1, maxLength: 300 });

describe('the verdict on a neighbour', () => {
  it('allows twice the p99 and a quarter of a second, and no more', () => {
    const without = latenciesOf([100]);
    expect(limitOf(without)).toBe(450);
    expect(isKept(without, latenciesOf([450]))).toBe(true);
    expect(isKept(without, latenciesOf([451]))).toBe(false);
  });

  it('is never kept where more than one in a hundred did not come', () => {
    fc.assert(
      fc.property(took, took, (alone, beside) => {
        const missing = Array<undefined>(Math.ceil(beside.length / 50)).fill(undefined);
        expect(isKept(latenciesOf(alone), latenciesOf([...beside, ...missing]))).toBe(false);
      }),
    );
  });

  it('is not kept where anything did not come, with or without the neighbour', () => {
    const lost = latenciesOf([...Array<number>(200).fill(1), undefined]);
    expect(isKept(latenciesOf([1]), lost)).toBe(false);
    expect(isKept(lost, latenciesOf([1]))).toBe(false);
  });

  it('is not kept by measuring nothing', () => {
    expect(isKept(latenciesOf([100]), latenciesOf([]))).toBe(false);
  });

  it('counts what did not come', () => {
    expect(latenciesOf([1, undefined, 3])).toEqual({ p50: 3, p99: Infinity, changes: 3, missing: 1 });
  });
});
