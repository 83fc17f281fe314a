import type { Pool } from 'pg';
import { PeriodicWork, type Logger } from '#runtime';
import type { DispatcherMetrics } from '../metrics.js';
import { estimateQueue } from './queue.repository.js';

const PARTITIONS_MS = 3_600_000;
const SAMPLE_MS = 5000;

/** Keeps the partitions of the attempt log, every hour, and samples the depth of the queue. Several instances do no harm. */
export class QueueMaintenance {
  private readonly work: PeriodicWork;

  constructor(
    private readonly pool: Pool,
    private readonly retentionMs: number,
    private readonly metrics: DispatcherMetrics,
    logger: Logger,
  ) {
    // There is a week of tries before a partition is missing.
    this.work = new PeriodicWork((error) => logger.error({ err: error }, 'queue.maintenance_failed'));
  }

  /** Runs once at once: a database that nobody served for a week has no partition of today. */
  async start(): Promise<void> {
    this.work.every(PARTITIONS_MS, () => this.maintain());
    this.work.every(SAMPLE_MS, async () => this.metrics.queueRows.set(await estimateQueue(this.pool)));
    await this.work.run(() => this.maintain());
  }

  stop(): Promise<void> {
    return this.work.stop();
  }

  /** Also forgets how agent events did that are deleted. */
  private async maintain(): Promise<void> {
    await this.pool.query(`select dispatch.maintain_partitions($1 * interval '1 ms')`, [this.retentionMs]);
    await this.pool.query(`
      delete from dispatch.event_health h
      where not exists (select from subscription.agent_event e where e.id = h.agent_event_id)`);
  }
}
