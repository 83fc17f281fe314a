import type { StatusChange } from '#contracts';
import { AgentMap } from '../agent-map.js';
import type { OutboxEntry } from '../log/agent-write.js';

/** More than this waits in the table rather than in memory. */
const MAX_ENTRIES = 10_000;
/** Agents whose last published sequence is known for certain. */
const LATEST_AGENTS = 50_000;

/**
 * Carries the changes that this process has just committed to its relay, without a detour through the table of the outbox. The table
 * keeps them until the broker has them: entries here may be dropped at any time, and are then read from there. No I/O.
 *
 * A change may be published from here only if the agent's change before it has been; another process may have written that
 * one, so the relay's own record of what it has published decides. That record counts only as long as nobody else could
 * publish, so it is made anew with every change of the shards that are held.
 */
export class Handover {
  private entries: OutboxEntry[] = [];
  /** Whether everything in the table is also here, or published. */
  private complete = false;
  /** Sequence of the last published change, by agent. */
  private readonly published = new AgentMap<number>(LATEST_AGENTS);

  /** Tells whether the table has to be read before anything else can be published. */
  get needsRead(): boolean {
    return !this.complete;
  }

  /**
   * Offers changes that were committed just now.
   *
   * @param entries those of one agent in sequence
   */
  offer(entries: readonly OutboxEntry[]): void {
    if (!this.complete) return; // the read that is due finds them
    if (this.entries.length + entries.length > MAX_ENTRIES) this.askForRead();
    else this.entries.push(...entries);
  }

  /** Requires a read: there may be changes in the table that were not offered. */
  askForRead(): void {
    this.complete = false;
    this.entries = [];
  }

  /** Notes that a read of the table begins: it finds what was offered before, and may miss what is offered from now on. */
  beginRead(): void {
    this.complete = true;
    this.entries = [];
  }

  /**
   * Takes what is to be published next. Ends before a change whose predecessor was not published from here: it asks for a read.
   *
   * @param limit most entries to take
   * @returns in order, each agent's without a gap
   */
  take(limit: number): OutboxEntry[] {
    const batch: OutboxEntry[] = [];
    const ahead = new AgentMap<number>(Infinity);
    const waiting = this.entries;
    let taken = 0;
    for (; taken < waiting.length && batch.length < limit; taken++) {
      const entry = waiting[taken]!;
      const last = ahead.get(entry) ?? this.published.get(entry) ?? 0;
      const { sequence } = entry;
      if (sequence <= last) continue; // a read has found it meanwhile
      if (sequence > last + 1) {
        this.askForRead();
        return batch;
      }
      ahead.set(entry, sequence);
      batch.push(entry);
    }
    this.entries = waiting.slice(taken);
    return batch;
  }

  /** Notes that the broker has these changes, wherever they were taken from. */
  acknowledge(changes: readonly StatusChange[]): void {
    for (const change of changes) this.published.set(change, change.sequence);
  }
}
