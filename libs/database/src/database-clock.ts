import type { Pool } from 'pg';
import { Gauge, type Registry } from 'prom-client';
import { PeriodicWork, type Logger } from '#runtime';

/** How often the database is asked for its time, in milliseconds. */
const MEASURE_MS = 5000;
/** A process whose clock is further from the database's than this, in milliseconds, is warned of. */
const MAX_SKEW_MS = 1000;

const READ_CLOCK = {
  name: 'read_clock',
  text: `select date_part('epoch', clock_timestamp()) * 1000 as now`,
};

/**
 * The database's clock, by which every instance judges the time of receipt: ADR 19. Between its answers it is carried on by the
 * process's count of time that passes, which no correction of the process's own clock touches.
 */
export class DatabaseClock {
  /** Add to `performance.now()` for the database's time. */
  private offset = 0;
  private isSkewed = false;
  private readonly skew: Gauge;
  private readonly work: PeriodicWork;

  private constructor(
    private readonly pool: Pool,
    private readonly logger: Logger,
    registry: Registry,
  ) {
    this.skew = new Gauge({
      name: 'rollcall_clock_skew_seconds',
      help: "How far this process's clock is ahead of the database's; negative: behind.",
      registers: [registry],
    });
    this.work = new PeriodicWork((error) => logger.warn({ err: error }, 'clock.measuring_failed'));
  }

  /**
   * Asks the database for its time, and again every few seconds until it is stopped.
   *
   * @throws the database's error
   */
  static async start(pool: Pool, logger: Logger, registry: Registry): Promise<DatabaseClock> {
    const clock = new DatabaseClock(pool, logger, registry);
    await clock.measure();
    clock.work.every(MEASURE_MS, () => clock.measure());
    return clock;
  }

  /**
   * Returns the time in milliseconds since the epoch, whole; never behind the database, and ahead by no more than its last answer took
   * to come.
   */
  now(): number {
    return Math.ceil(performance.now() + this.offset);
  }

  stop(): Promise<void> {
    return this.work.stop();
  }

  private async measure(): Promise<void> {
    const askedAt = performance.now();
    const { rows } = await this.pool.query<{ now: number }>(READ_CLOCK);
    const tookMs = performance.now() - askedAt;
    const { now } = rows[0]!;
    this.offset = now - askedAt;
    // The database read its clock somewhere in between.
    const skewMs = Date.now() - tookMs / 2 - now;
    this.skew.set(skewMs / 1000);
    const isSkewed = Math.abs(skewMs) - tookMs / 2 > MAX_SKEW_MS;
    if (isSkewed !== this.isSkewed) {
      const fields = { skew_seconds: Math.round(skewMs) / 1000 };
      this.logger[isSkewed ? 'warn' : 'info'](fields, isSkewed ? 'clock.skewed' : 'clock.agrees');
    }
    this.isSkewed = isSkewed;
  }
}
