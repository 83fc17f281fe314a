import type { StatusChange } from '#contracts';
import { AgentMap } from '../agent-map.js';
import type { CommittedChange } from '../log/agent-write.js';

/** More than this waits in the table rather than in memory. */
const MAX_ROWS = 10_000;
/** Agents whose last published sequence is known for certain. */
const LATEST_AGENTS = 50_000;

/**
 * The changes that this process has just committed, on their way to its relay without a detour through the table of the outbox.
 * The table is still where they are kept until the broker has them: what is here may be dropped at any time, and is then read
 * from there. No I/O.
 *
 * A change may be published from here only if the agent's change before it has been; another process may have written that
 * one, so the relay's own record of what it has published decides. That record counts only as long as nobody else could
 * publish, so it is made anew with every change of the shards that are held.
 */
export class Handover {
  private rows: CommittedChange[] = [];
  /** The table has nothing that is neither here nor published. */
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
   * @param rows those of one agent in sequence
   */
  offer(rows: readonly CommittedChange[]): void {
    if (!this.complete) return; // the read that is due finds them
    if (this.rows.length + rows.length > MAX_ROWS) this.askForRead();
    else this.rows.push(...rows);
  }

  /** Requires a read: there may be changes in the table that were not offered. */
  askForRead(): void {
    this.complete = false;
    this.rows = [];
  }

  /** Notes that a read of the table begins: it finds what was offered before, and may miss what is offered from now on. */
  beginRead(): void {
    this.complete = true;
    this.rows = [];
  }

  /**
   * Takes what is to be published next. Ends before a change whose predecessor was not published from here: it asks for a read.
   *
   * @param limit most rows to take
   * @returns in order, each agent's without a gap
   */
  take(limit: number): CommittedChange[] {
    const batch: CommittedChange[] = [];
    const ahead = new AgentMap<number>(Infinity);
    const waiting = this.rows;
    let taken = 0;
    for (; taken < waiting.length && batch.length < limit; taken++) {
      const row = waiting[taken]!;
      const last = ahead.get(row.change) ?? this.published.get(row.change) ?? 0;
      const { sequence } = row.change;
      if (sequence <= last) continue; // a read has found it meanwhile
      if (sequence > last + 1) {
        this.askForRead();
        return batch;
      }
      ahead.set(row.change, sequence);
      batch.push(row);
    }
    this.rows = waiting.slice(taken);
    return batch;
  }

  /** Notes that the broker has these changes, wherever they were taken from. */
  acknowledge(changes: readonly StatusChange[]): void {
    for (const change of changes) this.published.set(change, change.sequence);
  }
}
