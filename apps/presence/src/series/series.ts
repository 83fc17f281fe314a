import type { Pool } from '#database';
import { PeriodicWork, type Logger } from '#runtime';
import { ChangeSeries } from './change-series.js';
import { LastReports } from './last-reports.js';
import { dropChangeCounts, dropLastReports } from './series.repository.js';

const FLUSH_MS = 5000;
const CLEAN_UP_MS = 60_000;
/** Rows that a clean-up takes at a time; what there is more goes with the next ones. */
const ROWS_AT_ONCE = 20_000;

/** What charts and explanations are drawn from, written every few seconds and dropped beyond the retention. */
export class PresenceSeries {
  readonly changes: ChangeSeries;
  readonly reports: LastReports;
  private readonly work: PeriodicWork;

  /** @param retentionMs of the log of status changes, in milliseconds */
  constructor(pool: Pool, retentionMs: number, logger: Logger) {
    this.changes = new ChangeSeries(pool);
    this.reports = new LastReports(pool);
    this.work = new PeriodicWork((error) => logger.warn({ err: error }, 'series.not_written')); // kept for the next time
    this.work.every(FLUSH_MS, () => this.flush());
    this.work.every(CLEAN_UP_MS, async () => {
      await dropChangeCounts(pool, retentionMs, ROWS_AT_ONCE);
      await dropLastReports(pool, retentionMs, ROWS_AT_ONCE);
    });
  }

  /** Writes what is left. */
  async stop(): Promise<void> {
    await this.work.stop();
    await this.flush().catch(() => undefined); // a few seconds of a chart, which a crash loses too
  }

  private async flush(): Promise<void> {
    await this.changes.flush();
    await this.reports.flush();
  }
}
