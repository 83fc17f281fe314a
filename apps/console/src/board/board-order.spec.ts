import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StatusChange } from '../api/types';
import { applyChange, rowOfAgent, type AgentRow } from './agent-row';
import { orderOf, SORTS } from './board-order';

const agents = fc.uniqueArray(
  fc.record({
    id: fc.nat(500),
    type: fc.constantFrom('local' as const, 'remote' as const),
    name: fc.string({ maxLength: 8 }),
    status: fc.constantFrom('available' as const, 'logged_out' as const),
    since: fc.option(fc.nat(1000), { nil: undefined }),
  }),
  { selector: ({ id }) => id },
);

function rowsOf(found: readonly Pick<AgentRow, 'id' | 'type' | 'name' | 'status' | 'since'>[]): AgentRow[] {
  return found.map((agent) => ({
    ...agent,
    sequence: 1,
    source: undefined,
    fresh: false,
    text: `${agent.id} ${agent.name}`.toLowerCase(),
  }));
}

describe('the order of the board', () => {
  it('has each matching agent once, in any order', () => {
    fc.assert(
      fc.property(agents, fc.constantFrom(...SORTS), (found, sort) => {
        const ids = orderOf(rowsOf(found), { sort });
        expect([...ids].sort((a, b) => a - b)).toEqual(found.map(({ id }) => id).sort((a, b) => a - b));
      }),
    );
  });

  it('does not depend on the order that the agents came in', () => {
    fc.assert(
      fc.property(agents, fc.constantFrom(...SORTS), (found, sort) => {
        expect(orderOf(rowsOf([...found].reverse()), { sort })).toEqual(orderOf(rowsOf(found), { sort }));
      }),
    );
  });

  it('filters by status, type and what is searched for, in any case', () => {
    const rows = rowsOf([
      { id: 1, type: 'local', name: 'Ann@x', status: 'available', since: 1 },
      { id: 2, type: 'remote', name: '+7495', status: 'available', since: 2 },
      { id: 3, type: 'local', name: 'Bob@x', status: 'logged_out', since: 3 },
    ]);
    expect(orderOf(rows, { sort: 'changed', status: 'available' })).toEqual([2, 1]);
    expect(orderOf(rows, { sort: 'longest', type: 'local' })).toEqual([1, 3]);
    expect(orderOf(rows, { sort: 'name', q: ' bOB ' })).toEqual([3]);
    expect(orderOf(rows, { sort: 'name', q: '+74' })).toEqual([2]);
  });
});

describe('a change', () => {
  const row = rowOfAgent({
    id: 1,
    agent_type: 'local',
    extension_name: 'a',
    agent_status: 'logged_out',
    status_since: '2026-11-22T10:00:00Z',
    sequence: 4,
  });
  const change: StatusChange = {
    id: 'x',
    cursor: 9,
    client_id: '12',
    agent_id: 1,
    agent_type: 'local',
    extension_name: 'b',
    agent_status: 'available',
    previous_status: 'logged_out',
    event_source: 'phone',
    sequence: 5,
    occurred_at: '2026-11-22T11:00:00Z',
    changed_at: '2026-11-22T11:00:00Z',
  };

  it('is taken over, with the name', () => {
    expect(applyChange(row, change)).toMatchObject({ status: 'available', name: 'b', sequence: 5, source: 'phone', fresh: true });
  });

  it('that is no news changes nothing, so that a repeat or a late one cannot', () => {
    expect(applyChange(row, { ...change, sequence: 4 })).toBe(row);
    expect(applyChange(row, { ...change, sequence: 1 })).toBe(row);
  });

  it('of an agent that was not there adds it', () => {
    expect(applyChange(undefined, change)).toMatchObject({ id: 1, status: 'available' });
  });
});
