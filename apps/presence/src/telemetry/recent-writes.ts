import type { Pool } from '#database';
import { isInSnapshot, readRecentWrites } from '../log/recent-write.repository.js';
import type { PresenceMetrics } from '../metrics.js';
import type { StateMemory } from './state-memory.js';

/** Makes a memory forget the agents that others have written: ADR 15. */
export class RecentWrites {
  /** Snapshot of the last look: what was committed by then; undefined before the first. */
  private snapshot: string | undefined;
  private server: string | undefined;
  /** Ids of this process's own transactions, whose writes the memory knows already. */
  private readonly own = new Set<string>();
  private current: Promise<void> = Promise.resolve();
  private next: Promise<void> | undefined;

  constructor(
    private readonly pool: Pool,
    private readonly memory: StateMemory,
    private readonly metrics: PresenceMetrics,
  ) {}

  /** Ignores a transaction of this process from now on: the memory has learnt what it wrote. */
  ignoreOwn(xid: string): void {
    this.own.add(xid);
  }

  /**
   * Forgets the agents that others had written by the time of this call. There is one statement at a time: calls that come while it is
   * under way share the next one.
   *
   * @throws the database's error; the next call then looks as far back as this one did
   */
  refresh(): Promise<void> {
    this.next ??= this.current = this.afterwards();
    return this.next;
  }

  private async afterwards(): Promise<void> {
    await this.current.catch(() => undefined); // whoever called for that one has its error
    this.next = undefined;
    await this.look();
  }

  private async look(): Promise<void> {
    const { pool, memory, metrics } = this;
    const seen = await metrics.time('read_recent_writes', () => readRecentWrites(pool, this.snapshot));
    if (!seen.isComplete || seen.server !== this.server) memory.forgetAll();
    for (const { xid, agents } of seen.writes) if (!this.own.delete(xid)) for (const agent of agents) memory.forget(agent);
    // An id that is left was seen by an earlier look, before it was known to be ours.
    for (const xid of this.own) if (isInSnapshot(xid, seen.snapshot)) this.own.delete(xid);
    this.snapshot = seen.snapshot;
    this.server = seen.server;
  }
}
