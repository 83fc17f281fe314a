import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StatusChange } from '../api/types';
import { availableBars, ticksOf } from './timeline';

function change(agent_status: StatusChange['agent_status'], at: number, sequence: number): StatusChange {
  const moment = new Date(at).toISOString();
  return {
    id: String(sequence),
    cursor: sequence,
    client_id: '12',
    agent_id: 1,
    agent_type: 'local',
    agent_status,
    previous_status: agent_status === 'available' ? 'logged_out' : 'available',
    event_source: 'api',
    sequence,
    occurred_at: moment,
    changed_at: moment,
  };
}

describe('the bars of a day', () => {
  it('begin with the day where the agent was available before', () => {
    expect(availableBars([change('logged_out', 500, 1)], 'available', 0, 1000)).toEqual([{ from: 0, to: 500 }]);
  });

  it('go on to the end where the agent still is', () => {
    expect(availableBars([change('available', 400, 1)], 'logged_out', 0, 1000)).toEqual([{ from: 400, to: 1000 }]);
  });

  it('are in order, apart and within the span, whatever the changes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -100, max: 1100 })), fc.boolean(), (times, available) => {
        const sorted = [...times].sort((a, b) => a - b);
        const before = available ? 'available' : 'logged_out';
        const statuses = available ? (['logged_out', 'available'] as const) : (['available', 'logged_out'] as const);
        const changes = sorted.map((at, index) => change(statuses[index % 2]!, at, index + 1)).reverse();
        const bars = availableBars(changes, before, 0, 1000);
        for (const [index, { from, to }] of bars.entries()) {
          expect(from).toBeLessThanOrEqual(to);
          expect(from).toBeGreaterThanOrEqual(bars[index - 1]?.to ?? 0);
          expect(to).toBeLessThanOrEqual(1000);
        }
      }),
    );
  });
});

it('marks round times, not more than asked for', () => {
  fc.assert(
    fc.property(fc.integer({ min: 60_000, max: 86_400_000 }), fc.integer({ min: 2, max: 12 }), (span, most) => {
      const ticks = ticksOf(1_700_000_000_000, 1_700_000_000_000 + span, most, 0);
      expect(ticks.length).toBeLessThanOrEqual(most + 1);
      for (const tick of ticks) expect(tick % 60_000).toBe(0);
    }),
  );
});
