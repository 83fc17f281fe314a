import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { check, type Arrival } from './checker.js';

const ACCEPTED = [{ agentId: 1, changes: 4 }];
const SUBSCRIBERS = [{ path: '/a', agentId: 1 }];

function arrival(sequence: number, change: Partial<Arrival> = {}): Arrival {
  return { path: '/a', agentId: 1, sequence, webhookId: `id-${sequence}`, acknowledged: true, ...change };
}

const PERFECT = [1, 2, 3, 4].map((sequence) => arrival(sequence));

describe('the checker', () => {
  it('finds nothing wrong with a perfect run', () => {
    expect(check(ACCEPTED, SUBSCRIBERS, PERFECT)).toEqual({
      expected: 4,
      delivered: 4,
      lost: [],
      invented: [],
      outOfOrder: [],
      duplicates: 0,
    });
  });

  it('allows repeats until they are acknowledged, and counts those after it', () => {
    const report = check(ACCEPTED, SUBSCRIBERS, [arrival(1, { acknowledged: false }), ...PERFECT, arrival(4)]);
    expect(report).toMatchObject({ lost: [], outOfOrder: [], invented: [], duplicates: 1 });
  });

  it('sees every single loss', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3 }), (index) => {
        const report = check(ACCEPTED, SUBSCRIBERS, PERFECT.toSpliced(index, 1));
        expect(report.lost).toEqual([`/a agent 1 sequence ${index + 1}`]);
      }),
    );
  });

  it('sees a change that was refused for ever', () => {
    expect(check(ACCEPTED, SUBSCRIBERS, PERFECT.with(3, arrival(4, { acknowledged: false }))).lost).toHaveLength(1);
  });

  it('sees any two that changed places', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 }), (index) => {
        const swapped = PERFECT.with(index, PERFECT[index + 1]!).with(index + 1, PERFECT[index]!);
        expect(check(ACCEPTED, SUBSCRIBERS, swapped).outOfOrder).not.toEqual([]);
      }),
    );
  });

  it('sees a later one that overtook a refused one', () => {
    const overtaken = [arrival(1), arrival(2, { acknowledged: false }), arrival(3), arrival(2), arrival(4)];
    expect(check(ACCEPTED, SUBSCRIBERS, overtaken).outOfOrder).toEqual(['/a agent 1 sequence 3']);
  });

  it.each([
    ['a change that there was not', arrival(5)],
    ['another agent', arrival(1, { agentId: 2 })],
    ['a path that did not subscribe', arrival(1, { path: '/b' })],
    ['a second webhook-id', arrival(1, { webhookId: 'other' })],
  ])('sees %s', (_what, extra) => {
    expect(check(ACCEPTED, SUBSCRIBERS, [...PERFECT, extra]).invented).toHaveLength(1);
  });
});
