import type { Pool } from '#database';
import type { Logger } from '#runtime';
import { maintainPartitions } from './presence.repository.js';

const INTERVAL_MS = 3_600_000;

/** Keeps a week of partitions ahead of the log and drops those beyond the retention, every hour; one instance suffices, several do no harm. */
export class PartitionMaintenance {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly pool: Pool,
    private readonly retentionMs: number,
    private readonly logger: Logger,
  ) {}

  /** Runs once at once: a database that nobody served for a week has no partition of today. */
  async start(): Promise<void> {
    this.timer = setInterval(() => {
      this.running = this.run();
    }, INTERVAL_MS);
    await this.run();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  private async run(): Promise<void> {
    try {
      await maintainPartitions(this.pool, this.retentionMs);
      this.logger.debug('log.partitions_maintained');
    } catch (error) {
      this.logger.error({ err: error }, 'log.maintenance_failed'); // there is a week of tries before a partition is missing
    }
  }
}
