import type { Pool } from '#database';
import type { Logger } from '#runtime';
import { dropOldWrites, readRecentWrites } from '../log/recent-write.repository.js';
import type { PresenceMetrics } from '../metrics.js';
import type { StateMemory } from './state-memory.js';

/** How often old writes are deleted; each is kept for one to two of these. */
const DROP_INTERVAL_MS = 60_000;

export interface RecentWritesOptions {
  readonly pool: Pool;
  readonly memory: StateMemory;
  readonly metrics: PresenceMetrics;
  readonly logger: Logger;
}

/** Makes a memory forget the agents that others have written: ADR 15. */
export class RecentWrites {
  /** What was committed when we last looked; undefined before the first look. */
  private snapshot: string | undefined;
  private server: string | undefined;
  /** Transactions of this process, of which the memory knows already. */
  private readonly own = new Set<string>();
  private current: Promise<void> = Promise.resolve();
  private next: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private dropping: Promise<void> = Promise.resolve();

  constructor(private readonly options: RecentWritesOptions) {}

  /** Deletes old writes every minute; one instance suffices, several do no harm. */
  start(): void {
    this.timer = setInterval(() => {
      this.dropping = this.drop();
    }, DROP_INTERVAL_MS);
    this.dropping = this.drop();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.dropping;
  }

  /** The transaction was ours, and what it wrote was learnt. */
  isOwn(xid: string): void {
    this.own.add(xid);
  }

  /**
   * Resolves when the memory has forgotten whom others had written by the time of this call. One statement at a time: who calls
   * while one is under way shares the next.
   *
   * @throws the database's error; the next call then looks as far back as this one did
   */
  lookAgain(): Promise<void> {
    this.next ??= this.current = this.afterwards();
    return this.next;
  }

  private async afterwards(): Promise<void> {
    await this.current.catch(() => undefined); // whoever called for that one has its error
    this.next = undefined;
    await this.look();
  }

  private async look(): Promise<void> {
    const { pool, memory, metrics } = this.options;
    const seen = await metrics.time('read_recent_writes', () => readRecentWrites(pool, this.snapshot));
    if (!seen.isComplete || seen.server !== this.server) memory.forgetAll();
    for (const { xid, agents } of seen.writes) if (!this.own.delete(xid)) for (const agent of agents) memory.forget(agent);
    // What is left was seen before it was known to be ours.
    for (const xid of this.own) if (BigInt(xid) < seen.oldestRunning) this.own.delete(xid);
    this.snapshot = seen.snapshot;
    this.server = seen.server;
  }

  private async drop(): Promise<void> {
    const { pool, logger } = this.options;
    try {
      await dropOldWrites(pool, DROP_INTERVAL_MS);
    } catch (error) {
      logger.warn({ err: error }, 'telemetry.drop_old_writes_failed'); // nothing but space is lost, and only until the next time
    }
  }
}
