import type { Pool } from 'pg';
import type { Logger } from '#runtime';
import type { DispatcherMetrics } from '../metrics.js';
import { estimateQueue } from './queue.repository.js';

const PARTITIONS_MS = 3_600_000;
const SAMPLE_MS = 5000;

/** Keeps the partitions of the attempt log, every hour, and samples the depth of the queue. Several instances do no harm. */
export class QueueMaintenance {
  private timers: NodeJS.Timeout[] = [];
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly pool: Pool,
    private readonly retentionMs: number,
    private readonly metrics: DispatcherMetrics,
    private readonly logger: Logger,
  ) {}

  /** Runs once at once: a database that nobody served for a week has no partition of today. */
  async start(): Promise<void> {
    this.every(PARTITIONS_MS, () => this.maintain());
    this.every(SAMPLE_MS, async () => this.metrics.queueRows.set(await estimateQueue(this.pool)));
    await this.run(() => this.maintain());
  }

  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.running;
  }

  private every(ms: number, work: () => Promise<void>): void {
    this.timers.push(
      setInterval(() => {
        this.running = this.running.then(() => this.run(work));
      }, ms),
    );
  }

  private async run(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.logger.error({ err: error }, 'queue.maintenance_failed'); // there is a week of tries before a partition is missing
    }
  }

  /** Also forgets how agent events did that are deleted. */
  private async maintain(): Promise<void> {
    await this.pool.query(`select dispatch.maintain_partitions($1 * interval '1 ms')`, [this.retentionMs]);
    await this.pool.query(`
      delete from dispatch.event_health h
      where not exists (select from subscription.agent_event e where e.id = h.agent_event_id)`);
  }
}
