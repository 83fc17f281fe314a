import type { Pool } from '#database';
import { PeriodicWork, type Logger } from '#runtime';
import { maintainPartitions } from './presence.repository.js';
import { dropOldWrites } from './recent-write.repository.js';

const PARTITIONS_MS = 3_600_000;
/** Each note of a write is kept for one to two of these. */
const RECENT_WRITES_MS = 60_000;

/**
 * Keeps a week of partitions ahead of the log and drops those beyond the retention, every hour; drops old notes of who was written,
 * every minute. One instance suffices, several do no harm.
 */
export class LogMaintenance {
  private readonly work: PeriodicWork;

  constructor(
    private readonly pool: Pool,
    private readonly retentionMs: number,
    logger: Logger,
  ) {
    // There is a week of tries before a partition is missing, and notes that stay take nothing but space.
    this.work = new PeriodicWork((error) => logger.error({ err: error }, 'log.maintenance_failed'));
  }

  /** Runs once at once: a database that nobody served for a week has no partition of today, a new one no horizon. */
  async start(): Promise<void> {
    const tasks: [ms: number, task: () => Promise<void>][] = [
      [PARTITIONS_MS, () => maintainPartitions(this.pool, this.retentionMs)],
      [RECENT_WRITES_MS, () => dropOldWrites(this.pool, RECENT_WRITES_MS)],
    ];
    for (const [ms, task] of tasks) {
      this.work.every(ms, task);
      await this.work.run(task);
    }
  }

  stop(): Promise<void> {
    return this.work.stop();
  }
}
