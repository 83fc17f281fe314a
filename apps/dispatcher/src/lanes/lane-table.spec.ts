import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasUnrecorded, snapshotOf } from '../record/snapshot.js';
import { AgentWork, type Change, type EntryWork, type RowWork } from './agent-work.js';
import type { View } from './lane-table.js';

const CHANGES = 6;
const EVENTS = [0, 1, 2] as const;
const URLS = ['https://u.example/', 'https://v.example/'] as const;

type Step =
  | { readonly do: 'plan' | 'page' | 'decide' | 'record' | 'wake' | 'takeover' | 'giveBack' | 'conflict' }
  | { readonly do: 'answer'; readonly nth: number; readonly how: 'delivered' | 'failed' | 'gone' | 'slow' }
  | { readonly do: 'move' | 'suspend' | 'resume' | 'delete'; readonly event: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.constantFrom<Step>({ do: 'plan' }, { do: 'page' }, { do: 'decide' }, { do: 'record' }, { do: 'wake' }),
  },
  {
    weight: 16,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      nth: fc.nat(5),
      how: fc.constantFrom('delivered' as const, 'failed' as const, 'gone' as const, 'slow' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('move' as const, 'suspend' as const, 'resume' as const, 'delete' as const),
      event: fc.constantFrom(...EVENTS),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'takeover' }, { do: 'giveBack' }, { do: 'conflict' }) },
);

/**
 * One agent and its receivers, with the database played by hand: what the model of the protocol has, with changes planned in pages,
 * an owner that crashes once its requests have ended, one that gives its shard back, and one that finds its cursor moved.
 */
class World {
  agent = newAgent(0);
  private readonly views = new Map<number, { url: string; suspended: boolean }>();
  private readonly acknowledged = new Set<string>();
  /** Acknowledged, as this owner knows it. */
  private finished = new Set<string>();
  /** What the database has: delivered, and behind from where, by agent event. */
  private readonly recorded = new Set<string>();
  private behind = new Map<number, number>();
  /** How many agent events of the change after what is taken are planned. */
  private pages = 0;
  private out: { readonly entry?: EntryWork; readonly row?: RowWork; readonly sequence: number; readonly event: number }[] = [];

  /** @param matches for each change, by sequence from 1, the agent events that it is notified to */
  constructor(
    private readonly matches: readonly (readonly number[])[],
    urls: readonly string[],
  ) {
    for (const event of EVENTS) this.views.set(event, { url: urls[event]!, suspended: false });
  }

  readonly viewOf = (event: number): View | undefined => this.views.get(event);

  run(step: Step): void {
    this.take(step);
    // Or whoever records would look again and again, for ever.
    const canRecord = snapshotOf(this.agent, this.viewOf) !== undefined;
    if (hasUnrecorded(this.agent) !== canRecord) throw new Error(`something is to be recorded: ${!canRecord}`);
  }

  private take(step: Step): void {
    switch (step.do) {
      case 'plan':
        return this.plan(Infinity);
      case 'page':
        return this.plan(1);
      case 'takeover':
        return this.takeOver();
      case 'giveBack':
        this.agent.lease.ending = true;
        return this.agent.table.dropWaiting();
      case 'conflict':
        this.agent.isConflicted = true;
        return;
      case 'decide':
        return this.decide();
      case 'record':
        return this.record();
      case 'wake':
        return this.wake();
      case 'answer':
        return this.answer(step.nth, step.how);
      case 'move': {
        const view = this.views.get(step.event);
        if (view) view.url = URLS[view.url === URLS[0] ? 1 : 0];
        return;
      }
      case 'suspend':
      case 'resume': {
        const view = this.views.get(step.event);
        if (view) view.suspended = step.do === 'suspend';
        return;
      }
      case 'delete':
        this.views.delete(step.event);
    }
  }

  /** Everything that must happen, until nothing does. */
  finish(): void {
    for (const view of this.views.values()) view.suspended = false;
    if (this.isEnding) {
      while (this.out.length > 0) this.answer(0, 'delivered');
      while (hasUnrecorded(this.agent)) this.record();
      // A deleted agent event gets no row: what is answered there after it has fallen behind is recorded nowhere.
      const unrecorded = [...this.finished].filter((name) => !this.recorded.has(name) && this.views.has(eventOf(name)));
      if (unrecorded.length > 0) throw new Error(`${unrecorded.join(', ')}: delivered and not recorded`);
      this.takeOver();
    }
    for (let round = 0; round < 20 * CHANGES; round++) {
      this.plan(Infinity);
      this.wake();
      this.decide();
      while (this.out.length > 0) this.answer(0, 'delivered');
      this.record();
      for (const view of this.views.values()) view.suspended = false;
    }
  }

  unfinished(): string[] {
    const left = this.matches.flatMap((events, index) => events.map((event) => ({ event, name: nameOf(index + 1, event) })));
    return left.filter(({ event, name }) => this.views.has(event) && !this.acknowledged.has(name)).map(({ name }) => name);
  }

  /** Plans the next agent events of the first change that is not taken, at most so many: it is taken with the last. */
  private plan(most: number): void {
    const { agent } = this;
    if (this.isEnding) return;
    const sequence = agent.taken + 1;
    const events = this.matches[sequence - 1];
    if (!events) return;
    const page = events.slice(this.pages, this.pages + most);
    this.pages += page.length;
    if (this.pages === events.length) {
      this.pages = 0;
      agent.taken = sequence;
    }
    agent.table.add(
      page
        .filter((event) => this.views.has(event) && !this.recorded.has(nameOf(sequence, event)))
        .map((agentEventId) => ({ sequence, agentEventId, change: changeOf(sequence), state: 'waiting' as const })),
    );
  }

  /** What is out ends unheard, what is in memory is forgotten, and another owner begins with what is recorded. */
  private takeOver(): void {
    this.agent = newAgent(this.agent.cursor!);
    for (const [event, next] of this.behind) this.agent.table.rows.set(event, rowOf(event, next));
    this.finished = new Set(this.recorded);
    this.out = [];
    this.pages = 0;
  }

  /** Nothing starts any more. */
  private get isEnding(): boolean {
    return this.agent.lease.ending || this.agent.isConflicted;
  }

  private decide(): void {
    if (this.isEnding) return;
    const { entries, rows, asleep, idle } = this.agent.table.decide(this.viewOf);
    for (const entry of entries) this.start(entry.sequence, entry.agentEventId, { entry });
    for (const row of rows) this.start(row.head!.sequence, row.agentEventId, { row });
    for (const { row } of asleep) row.inHand = false;
    for (const row of idle) {
      row.inHand = false;
      if (!this.views.has(row.agentEventId)) this.agent.table.rows.delete(row.agentEventId);
    }
  }

  /** What is ahead in the lane must be over. */
  private start(sequence: number, event: number, what: { readonly entry?: EntryWork; readonly row?: RowWork }): void {
    const { url } = this.views.get(event)!;
    for (let earlier = 1; earlier < sequence; earlier++) {
      for (const other of this.matches[earlier - 1]!) {
        const view = this.views.get(other);
        if (!view || view.suspended || this.acknowledged.has(nameOf(earlier, other))) continue;
        if (other !== event && view.url !== url) continue;
        throw new Error(`${nameOf(sequence, event)} starts before ${nameOf(earlier, other)} is over`);
      }
    }
    this.out.push({ ...what, sequence, event });
  }

  private answer(nth: number, how: 'delivered' | 'failed' | 'gone' | 'slow'): void {
    const one = this.out[nth % Math.max(1, this.out.length)];
    if (!one) return;
    const { entry, row = entry?.row, sequence, event } = one;
    if (how === 'slow') {
      if (entry?.state === 'out') Object.assign(entry, { state: 'slow', outUntil: Infinity });
      return;
    }
    this.out = this.out.filter((other) => other !== one);
    if (how === 'delivered') {
      if (this.finished.has(nameOf(sequence, event))) throw new Error(`${nameOf(sequence, event)} is sent again`);
      this.acknowledged.add(nameOf(sequence, event));
      this.finished.add(nameOf(sequence, event));
    }
    if (row) row.result = { kind: how === 'delivered' ? 'next' : 'retry', isGone: how === 'gone' } as never;
    else entry!.state = how;
  }

  private record(): void {
    const { agent } = this;
    const snapshot = snapshotOf(agent, this.viewOf);
    if (!snapshot) return;
    for (const { entry } of snapshot.newRows) {
      if (!this.views.has(entry.agentEventId)) continue;
      const row = rowOf(entry.agentEventId, entry.sequence);
      agent.table.rows.set(entry.agentEventId, row);
      if (entry.state !== 'slow') continue;
      Object.assign(row, { inHand: true, head: entry.change, sentTo: entry.sentTo });
      entry.row = row;
    }
    for (const { state, sequence, agentEventId } of snapshot.entries) {
      if (state === 'gone') this.suspend(agentEventId);
      if (state === 'delivered') this.recorded.add(nameOf(sequence, agentEventId));
    }
    agent.table.forget(new Set(snapshot.entries));
    agent.moveCursor(snapshot.to);
    for (const { row, result } of snapshot.rowOutcomes) {
      row.result = undefined;
      row.sentTo = undefined;
      row.inHand = false;
      if (result.kind === 'next') {
        this.recorded.add(nameOf(row.next, row.agentEventId));
        this.moveOn(row);
      }
      if ('isGone' in result && result.isGone) this.suspend(row.agentEventId);
    }
    this.behind = new Map([...agent.table.rows].map(([event, { next }]) => [event, next]));
  }

  private suspend(event: number): void {
    const view = this.views.get(event);
    if (view) view.suspended = true;
  }

  /** The next change of a row, up to the cursor, that is not acknowledged; without one it goes. */
  private moveOn(row: RowWork): void {
    for (let sequence = row.next; sequence <= this.agent.cursor!; sequence++) {
      if (!this.matches[sequence - 1]!.includes(row.agentEventId) || this.recorded.has(nameOf(sequence, row.agentEventId)))
        continue;
      row.next = sequence;
      return;
    }
    this.agent.table.rows.delete(row.agentEventId);
  }

  private wake(): void {
    for (const row of this.agent.table.rows.values()) {
      if (row.inHand || row.next > this.agent.cursor!) continue;
      this.moveOn(row);
      if (!this.agent.table.rows.has(row.agentEventId)) continue;
      row.inHand = true;
      row.head = changeOf(row.next);
    }
  }
}

function newAgent(cursor: number): AgentWork {
  const agent = new AgentWork(1, 1, 0, { shard: 0, epoch: 1, until: Infinity, ending: false });
  agent.cursor = agent.taken = cursor;
  return agent;
}

function rowOf(agentEventId: number, next: number): RowWork {
  return { clientId: 1, agentEventId, next, attempts: 0, version: 0, inHand: false };
}

function changeOf(sequence: number): Change {
  return { id: String(sequence), sequence, pairs: '', occurredAt: 0, expiresAt: Infinity };
}

function nameOf(sequence: number, event: number): string {
  return `${sequence} of ${event}`;
}

function eventOf(name: string): number {
  return Number(name.split(' of ')[1]);
}

describe('the table of lanes', () => {
  it('starts nothing before what is ahead in its lane is over, sends nothing twice, and loses nothing', () => {
    const matches = fc.array(fc.uniqueArray(fc.constantFrom(...EVENTS), { maxLength: 3 }), {
      minLength: CHANGES,
      maxLength: CHANGES,
    });
    const urls = fc.array(fc.constantFrom(...URLS), { minLength: EVENTS.length, maxLength: EVENTS.length });
    fc.assert(
      fc.property(matches, urls, fc.array(step, { maxLength: 80 }), (matched, at, steps) => {
        const world = new World(matched, at);
        for (const one of steps) world.run(one);
        world.finish();
        expect(world.unfinished()).toEqual([]);
        expect(world.agent.cursor).toBe(CHANGES);
        expect(world.agent.table.isIdle && world.agent.table.rows.size === 0).toBe(true);
      }),
      { numRuns: Number(process.env['RUNS'] ?? 3000) },
    );
  });
});
