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
      arrivals: 4,
      lost: [],
      invented: [],
      outOfOrder: [],
      late: [],
      repeats: [],
    });
  });

  it('allows repeats until they are acknowledged, and counts those after it', () => {
    const refused = arrival(1, { acknowledged: false });
    const [acknowledged, again] = [arrival(4, { acknowledgedAt: 7 }), arrival(4, { acknowledgedAt: 9 })];
    const retried = arrival(4, { attempt: 2 });
    const report = check(ACCEPTED, SUBSCRIBERS, [refused, ...PERFECT.with(3, acknowledged), again, retried]);
    const repeats = [false, true].map((wasAnswerLost) => ({ acknowledgedAt: 7, wasAnswerLost }));
    expect(report).toMatchObject({ lost: [], outOfOrder: [], invented: [], repeats });
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

  it('sees one that comes when a later one is acknowledged, under whatever it has not come before', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), (sequence) => {
        const first = check(ACCEPTED, SUBSCRIBERS, [...PERFECT.toSpliced(sequence - 1, 1), arrival(sequence)]);
        expect(first.late).toEqual([`/a agent 1 sequence ${sequence}`]);
        const renamed = check(ACCEPTED, SUBSCRIBERS, [...PERFECT, arrival(sequence, { webhookId: 'other' })]);
        expect(renamed.late).toEqual([`/a agent 1 sequence ${sequence}`]);
      }),
    );
  });

  it('allows a repeat under the same webhook-id when a later one is acknowledged', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), (sequence) => {
        expect(check(ACCEPTED, SUBSCRIBERS, [...PERFECT, arrival(sequence)])).toMatchObject({
          late: [],
          repeats: [{ acknowledgedAt: 0 }],
        });
      }),
    );
  });

  it('sees a later one that came before the answer to the one before it was sent', () => {
    const slow = (acknowledgedAfter: number): Arrival[] => PERFECT.with(1, arrival(2, { acknowledgedAfter }));
    expect(check(ACCEPTED, SUBSCRIBERS, slow(3)).outOfOrder).toEqual(['/a agent 1 sequence 3']);
    expect(check(ACCEPTED, SUBSCRIBERS, slow(2))).toMatchObject({ outOfOrder: [], lost: [] });
  });

  describe('with two agent events in a lane', () => {
    const PAIR = [{ path: '/a', agentId: 1, agentEvents: 2 }];
    const BOTH = PERFECT.flatMap((one) => [one, { ...one, webhookId: `${one.webhookId}-2` }]);

    it('expects each of both', () => {
      expect(check(ACCEPTED, PAIR, BOTH)).toMatchObject({
        expected: 8,
        delivered: 8,
        lost: [],
        invented: [],
        outOfOrder: [],
        late: [],
      });
    });

    it('sees the loss of either, and what overtook it', () => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 7 }), (index) => {
          const report = check(ACCEPTED, PAIR, BOTH.toSpliced(index, 1));
          expect(report).toMatchObject({ delivered: 7, lost: [`/a agent 1 sequence ${Math.floor(index / 2) + 1}`] });
          expect(report.outOfOrder).toHaveLength(index < 6 ? 2 : 0);
        }),
      );
    });

    it('sees a third', () => {
      expect(check(ACCEPTED, PAIR, [...BOTH, arrival(4, { webhookId: 'other' })]).invented).toHaveLength(1);
    });
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
