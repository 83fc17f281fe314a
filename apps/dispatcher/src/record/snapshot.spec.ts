import { describe, expect, it } from 'vitest';
import { AgentWork, type Change, type EntryWork, type RowWork } from '../lanes/agent-work.js';
import { hasUnrecorded, snapshotOf } from './snapshot.js';

const changeOf = (sequence: number): Change => ({
  ...{ id: `change ${sequence}`, sequence, pairs: '' },
  ...{ occurredAt: 0, expiresAt: Infinity },
});
const entry = (sequence: number, agentEventId: number, state: EntryWork['state']): EntryWork => ({
  ...{ sequence, agentEventId, state },
  change: changeOf(sequence),
});
const viewOf = () => ({ url: 'https://receiver.example/', suspended: false });

/** An agent with everything up to change 5 recorded, of whose change 6 a page is planned. */
function agentInPages(...entries: EntryWork[]): AgentWork {
  const agent = new AgentWork(12, 136, 0, { shard: 0, epoch: 1, until: Infinity, ending: false });
  agent.cursor = agent.taken = 5;
  agent.table.add(entries);
  return agent;
}

const isBehind = (agent: AgentWork, agentEventId: number, next: number): void => {
  const row: RowWork = { clientId: 12, agentEventId, next, attempts: 0, version: 0, inHand: false };
  agent.table.rows.set(agentEventId, row);
};

describe('what can be recorded', () => {
  it.each([
    ['a shard that is given back', (agent: AgentWork) => (agent.lease.ending = true)],
    ['an agent whose cursor was moved by somebody else', (agent: AgentWork) => (agent.isConflicted = true)],
  ])('of %s is nothing while a request is out, and then what was delivered', (_what, end) => {
    const [delivered, out] = [entry(6, 1, 'delivered'), entry(6, 2, 'out')];
    const agent = agentInPages(delivered, out);
    agent.taken = 6;
    end(agent);
    expect([hasUnrecorded(agent), snapshotOf(agent, viewOf)]).toEqual([false, undefined]);
    out.state = 'failed';
    expect(hasUnrecorded(agent)).toBe(true);
    expect(snapshotOf(agent, viewOf)?.entries).toContain(delivered);
  });
});

describe('a page of a change', () => {
  it('is recorded ahead of the cursor, what failed of it as rows', () => {
    const [delivered, failed] = [entry(6, 1, 'delivered'), entry(6, 2, 'failed')];
    const snapshot = snapshotOf(agentInPages(delivered, failed), viewOf);
    expect(snapshot).toMatchObject({ from: 5, to: 5, entries: [delivered, failed] });
    expect(snapshot!.newRows.map(({ entry }) => entry)).toEqual([failed]);
  });

  it('has one row for an agent event that falls behind by it and by the change before, and keeps what relies on that', () => {
    const [earlier, later] = [entry(6, 1, 'failed'), entry(7, 1, 'behind')];
    const agent = agentInPages(earlier, later);
    agent.taken = 6;
    const snapshot = snapshotOf(agent, viewOf);
    expect(snapshot).toMatchObject({ from: 5, to: 6, entries: [earlier] });
    expect(snapshot!.newRows.map(({ entry }) => entry)).toEqual([earlier]);
  });

  it('waits for everything before its change: a row of it would stand where an earlier one of its agent event belongs', () => {
    const agent = agentInPages(entry(6, 1, 'failed'), entry(6, 2, 'out'), entry(7, 1, 'behind'), entry(7, 3, 'delivered'));
    agent.taken = 6;
    expect(hasUnrecorded(agent)).toBe(false);
    expect(snapshotOf(agent, viewOf)).toBeUndefined();
  });

  it('keeps what relies on a row until the cursor has come there: the row may be done with, and gone, before', () => {
    const [delivered, waiting] = [entry(6, 1, 'delivered'), entry(6, 2, 'behind')];
    const agent = agentInPages(delivered, waiting);
    isBehind(agent, 2, 5);
    expect(snapshotOf(agent, viewOf)).toMatchObject({ to: 5, entries: [delivered], newRows: [] });

    agent.table.forget(new Set([delivered]));
    expect(hasUnrecorded(agent)).toBe(false);

    agent.table.rows.delete(2); // it was answered, and nothing up to the cursor was left
    agent.taken = 6; // the last page is planned
    const snapshot = snapshotOf(agent, viewOf);
    expect(snapshot).toMatchObject({ from: 5, to: 6, entries: [waiting] });
    expect(snapshot!.newRows.map(({ entry }) => entry)).toEqual([waiting]);
  });
});
