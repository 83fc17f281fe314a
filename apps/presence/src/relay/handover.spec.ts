import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StatusChange } from '#contracts';
import type { OutboxEntry } from '../log/agent-write.js';
import { Handover } from './handover.js';

const LIMIT = 4;

/** A table, the processes that write it, and a relay of one of them, as `OutboxRelay` is one; without waiting. */
class World {
  /** What is committed and not deleted, in order. */
  private readonly table: OutboxEntry[] = [];
  private readonly sequences = new Map<number, number>();
  private readonly handover = new Handover();
  readonly topic: StatusChange[] = [];

  write(agentId: number, handed: boolean): void {
    const sequence = (this.sequences.get(agentId) ?? 0) + 1;
    this.sequences.set(agentId, sequence);
    const entry = entryOf(agentId, sequence);
    this.table.push(entry);
    if (handed) this.handover.offer([entry]);
  }

  /** @param before what happens between the decision to read and the read @param after … and between that and the publishing */
  publish(isTaken: boolean, before: () => void = () => undefined, after: () => void = () => undefined): number {
    let entries: readonly OutboxEntry[] = this.handover.take(LIMIT);
    if (entries.length === 0 && this.handover.needsRead) {
      this.handover.beginRead();
      before();
      entries = this.table.slice(0, LIMIT);
      if (entries.length === LIMIT) this.handover.askForRead();
    }
    after();
    if (!isTaken) {
      this.topic.push(...entries.slice(0, entries.length / 2));
      this.handover.askForRead();
      return entries.length;
    }
    this.topic.push(...entries);
    this.handover.acknowledge(entries);
    for (const entry of entries) this.table.splice(this.table.indexOf(entry), 1);
    return entries.length;
  }

  /** As the relay does now and then. */
  look(): void {
    this.handover.askForRead();
  }

  drain(): void {
    this.look();
    while (this.publish(true) > 0) continue;
    expect(this.table).toEqual([]);
  }

  /** The sequences of an agent in the order of their first appearance. */
  firstsOf(agentId: number): number[] {
    return [...new Set(this.topic.filter((change) => change.agentId === agentId).map(({ sequence }) => sequence))];
  }

  countOf(agentId: number): number {
    return this.sequences.get(agentId) ?? 0;
  }
}

let position = 0;
function entryOf(agentId: number, sequence: number): OutboxEntry {
  position += 1;
  const now = Date.now();
  return {
    position,
    shard: 0,
    id: `${agentId}-${sequence}`,
    clientId: 12,
    agentId,
    agentType: 'local',
    name: 'a',
    agentStatus: sequence % 2 ? 'available' : 'logged_out',
    eventSource: 'api',
    sequence,
    occurredAt: now,
    changedAt: now,
  };
}

const AGENTS = [1, 2, 3];
const write = fc.record({ agentId: fc.constantFrom(...AGENTS), handed: fc.boolean() });
const step = fc.oneof(
  { weight: 6, arbitrary: write.map((one) => ({ kind: 'write' as const, ...one })) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('publish' as const), isTaken: fc.boolean(), before: write, after: write }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'look' as const }) },
);

describe('the handover', () => {
  it('publishes each agent’s changes in sequence and leaves none out, whoever writes them and whatever fails', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const world = new World();
        for (const one of steps) {
          if (one.kind === 'write') world.write(one.agentId, one.handed);
          else if (one.kind === 'look') world.look();
          else {
            const writing = ({ agentId, handed }: { agentId: number; handed: boolean }) => world.write(agentId, handed);
            world.publish(
              one.isTaken,
              () => writing(one.before),
              () => writing(one.after),
            );
          }
        }
        world.drain();
        for (const agent of AGENTS) {
          expect(world.firstsOf(agent)).toEqual(Array.from({ length: world.countOf(agent) }, (_, index) => index + 1));
        }
        const failed = steps.some((one) => one.kind === 'publish' && !one.isTaken);
        if (!failed) expect(world.topic).toHaveLength(AGENTS.reduce((sum, agent) => sum + world.countOf(agent), 0));
      }),
      { numRuns: 500 },
    );
  });

  it('needs no read for what it is handed, once the agent is known', () => {
    const handover = new Handover();
    handover.beginRead();
    handover.acknowledge([entryOf(1, 5)]);
    const [known, next, fresh] = [entryOf(1, 6), entryOf(1, 7), entryOf(2, 1)];
    handover.offer([known]);
    handover.offer([next, fresh]);
    expect(handover.take(2)).toEqual([known, next]);
    expect(handover.take(2)).toEqual([fresh]);
    expect(handover.needsRead).toBe(false);
  });

  it('asks for a read before a change whose predecessor it did not publish', () => {
    const handover = new Handover();
    handover.beginRead();
    const first = entryOf(1, 1);
    handover.offer([first, entryOf(2, 4), entryOf(1, 2)]);
    expect(handover.take(10)).toEqual([first]);
    expect(handover.needsRead).toBe(true);
    expect(handover.take(10)).toEqual([]);
  });

  it('leaves to the table what is too much for memory', () => {
    const handover = new Handover();
    handover.beginRead();
    handover.offer(Array.from({ length: 10_000 }, (_, index) => entryOf(index, 1)));
    expect(handover.needsRead).toBe(false);
    handover.offer([entryOf(10_000, 1)]);
    expect(handover.needsRead).toBe(true);
    expect(handover.take(10)).toEqual([]);
  });
});
