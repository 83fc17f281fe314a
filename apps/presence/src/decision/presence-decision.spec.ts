import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AGENT_STATUSES, AGENT_TYPES, EVENT_SOURCES, type TelemetryItem } from '#contracts';
import { decideTelemetry, type AgentState, type Decision } from './presence-decision.js';

const ITEM: TelemetryItem = {
  clientId: 12,
  agentId: 136,
  agentType: 'local',
  agentStatus: 'available',
  eventSource: 'api',
  name: '000*094@ringme.ru',
  occurredAt: 1000,
  receivedAt: 5000,
};
const AVAILABLE: AgentState = {
  agentType: 'local',
  name: '000*094@ringme.ru',
  agentStatus: 'available',
  sequence: 7,
  changedAt: 1000,
  removed: false,
};
const REMOVED: AgentState = { ...AVAILABLE, agentStatus: 'logged_out', removed: true };

const item: fc.Arbitrary<TelemetryItem> = fc.record({
  clientId: fc.constant(12),
  agentId: fc.constant(136),
  agentType: fc.constantFrom(...AGENT_TYPES, 'local' as const, 'local' as const),
  agentStatus: fc.constantFrom(...AGENT_STATUSES),
  eventSource: fc.constantFrom(...EVENT_SOURCES),
  name: fc.constantFrom(undefined, 'a', 'b'),
  occurredAt: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
  receivedAt: fc.constant(10),
});

/** Item by item, as the service folds them; what is rejected leaves the agent as it was. */
function fold(items: readonly TelemetryItem[]): { before: AgentState | undefined; item: TelemetryItem; decision: Decision }[] {
  let before: AgentState | undefined;
  return items.map((each) => {
    const decision = decideTelemetry(before, each);
    const step = { before, item: each, decision };
    if (decision.result !== 'rejected') before = decision.state;
    return step;
  });
}

describe('the presence decision', () => {
  it('counts a never-seen agent as logged out', () => {
    expect(decideTelemetry(undefined, ITEM)).toEqual({ result: 'changed', state: { ...AVAILABLE, sequence: 1 } });
    expect(decideTelemetry(undefined, { ...ITEM, agentStatus: 'logged_out' })).toEqual({
      result: 'unchanged',
      state: { ...AVAILABLE, agentStatus: 'logged_out', sequence: 0, changedAt: null },
    });
  });

  it('needs the name of an agent the first time, under the key of its type', () => {
    const errors = ['is required the first time an agent is seen'];
    expect(decideTelemetry(undefined, { ...ITEM, name: undefined })).toEqual({
      result: 'rejected',
      errors: { extension_name: errors },
    });
    expect(decideTelemetry(undefined, { ...ITEM, agentType: 'remote', name: undefined })).toEqual({
      result: 'rejected',
      errors: { agent_number: errors },
    });
  });

  it('rejects the other agent type', () => {
    expect(decideTelemetry(AVAILABLE, { ...ITEM, agentType: 'remote' })).toEqual({
      result: 'rejected',
      errors: { agent_type: ['this agent is local'] },
    });
  });

  it('calls stale what is strictly older than the last change, repeat or not; at equal times the later arrival counts', () => {
    expect(decideTelemetry(AVAILABLE, { ...ITEM, occurredAt: 999 }).result).toBe('stale');
    expect(decideTelemetry(AVAILABLE, { ...ITEM, occurredAt: 999, agentStatus: 'logged_out' }).result).toBe('stale');
    expect(decideTelemetry(AVAILABLE, { ...ITEM, agentStatus: 'logged_out' }).result).toBe('changed');
  });

  it('never calls stale what does not say when it occurred, whatever clock told of its receipt', () => {
    const undated = { ...ITEM, occurredAt: undefined, agentStatus: 'logged_out' as const };
    expect(decideTelemetry(AVAILABLE, { ...undated, receivedAt: 7000 })).toMatchObject({
      result: 'changed',
      state: { changedAt: 7000 },
    });
    expect(decideTelemetry(AVAILABLE, { ...undated, receivedAt: 3 })).toMatchObject({
      result: 'changed',
      state: { changedAt: 1000 },
    });
    expect(decideTelemetry(REMOVED, { ...undated, agentType: 'remote', name: '+7', receivedAt: 3 })).toMatchObject({
      result: 'unchanged',
      state: { agentType: 'remote', removed: false },
    });
  });

  it('compares what is dated ahead of its receipt as of its receipt', () => {
    const ahead = decideTelemetry(undefined, { ...ITEM, occurredAt: 9000 });
    expect(ahead).toMatchObject({ result: 'changed', state: { changedAt: 5000 } });
    if (ahead.result === 'rejected') throw new Error('it is named');
    expect(decideTelemetry(ahead.state, { ...ITEM, agentStatus: 'logged_out', occurredAt: 5000 }).result).toBe('changed');
    expect(decideTelemetry(ahead.state, { ...ITEM, agentStatus: 'logged_out', occurredAt: 4999 }).result).toBe('stale');
  });

  it('takes a changed name over without a change of status', () => {
    expect(decideTelemetry(AVAILABLE, { ...ITEM, name: 'new' })).toEqual({
      result: 'unchanged',
      state: { ...AVAILABLE, name: 'new' },
    });
    expect(decideTelemetry(AVAILABLE, { ...ITEM, name: 'new', occurredAt: 1 })).toEqual({ result: 'stale', state: AVAILABLE });
  });

  it('asks for the name of an agent whose name was forgotten with its client', () => {
    const forgotten = { ...REMOVED, name: '' };
    expect(decideTelemetry(forgotten, { ...ITEM, name: undefined })).toMatchObject({
      errors: { extension_name: [expect.any(String)] },
    });
  });

  it('brings a removed agent back where its sequence ended, also as the other type if it is named', () => {
    expect(decideTelemetry(REMOVED, { ...ITEM, name: undefined })).toEqual({
      result: 'changed',
      state: { ...AVAILABLE, sequence: 8 },
    });
    expect(decideTelemetry(REMOVED, { ...ITEM, agentStatus: 'logged_out' })).toEqual({
      result: 'unchanged',
      state: { ...REMOVED, removed: false },
    });
    expect(decideTelemetry(REMOVED, { ...ITEM, agentType: 'remote', name: '+7' })).toMatchObject({
      result: 'changed',
      state: { agentType: 'remote', name: '+7', sequence: 8 },
    });
    expect(decideTelemetry(REMOVED, { ...ITEM, agentType: 'remote', name: undefined })).toMatchObject({
      result: 'rejected',
      errors: { agent_number: ['is required when a removed agent comes back as remote'] },
    });
    expect(decideTelemetry(REMOVED, { ...ITEM, occurredAt: 999 })).toEqual({ result: 'stale', state: REMOVED });
  });

  it('raises the sequence by exactly one a change, alternates, and never lets what is old or wrong move anything', () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 40 }), (items) => {
        for (const { before, item: each, decision } of fold(items)) {
          if (decision.result === 'rejected') expect(Object.values(decision.errors).flat()).not.toHaveLength(0);
          else if (decision.result === 'changed') {
            expect(decision.state.sequence).toBe((before?.sequence ?? 0) + 1);
            expect(decision.state.agentStatus).not.toBe(before?.agentStatus ?? 'logged_out');
            expect(decision.state.agentStatus).toBe(each.agentStatus);
            expect(decision.state.changedAt).toBeGreaterThanOrEqual(before?.changedAt ?? 0);
          } else {
            expect(decision.state.sequence).toBe(before?.sequence ?? 0);
            expect(decision.state.agentStatus).toBe(before?.agentStatus ?? 'logged_out');
            if (decision.result === 'stale') expect(decision.state).toBe(before);
          }
        }
      }),
    );
  });

  it('has nothing to write for an item that comes a second time', () => {
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 20 }), (items) => {
        const last = fold(items).at(-1)!;
        if (last.decision.result === 'rejected') return;
        const again = decideTelemetry(last.decision.state, last.item);
        expect(again).toMatchObject({ result: last.decision.result === 'stale' ? 'stale' : 'unchanged' });
        expect('state' in again && again.state).toBe(last.decision.state);
      }),
    );
  });
});
