import type { Pool } from '#database';
import { PeriodicWork, type Logger } from '#runtime';
import { DeliveryHints, type HintedDelivery } from './delivery-hints.js';
import { DeliverySeries, type CountedAttempt } from './delivery-series.js';
import { OriginStates } from './origin-states.js';
import { dropDeliveryCounts, dropOriginStates } from './series.repository.js';

const FLUSH_MS = 5000;
const ORIGINS_MS = 1000;
const HINTS_MS = 200;
const CLEAN_UP_MS = 60_000;
/** Rows that a clean-up takes at a time; what there is more goes with the next ones. */
const ROWS_AT_ONCE = 20_000;
/** How long it is known that an origin was not sent to, in milliseconds. */
const ORIGINS_KEPT_MS = 24 * 3_600_000;

export interface SeriesOptions {
  readonly pool: Pool;
  /** UUID of this process, never used before. */
  readonly instance: string;
  /** Of attempts, in milliseconds. */
  readonly retentionMs: number;
  readonly logger: Logger;
}

/** What charts, the list of origins and the stream of deliveries are fed from, beside the work; dropped beyond the retention. */
export class DispatcherSeries {
  readonly deliveries: DeliverySeries;
  readonly origins: OriginStates;
  private readonly hints: DeliveryHints;
  private readonly work: PeriodicWork;

  constructor({ pool, instance, retentionMs, logger }: SeriesOptions) {
    this.deliveries = new DeliverySeries(pool);
    this.origins = new OriginStates(pool, instance);
    this.hints = new DeliveryHints(pool);
    this.work = new PeriodicWork((error) => logger.warn({ err: error }, 'series.not_written')); // kept for the next time
    this.work.every(HINTS_MS, () => this.hints.flush());
    this.work.every(ORIGINS_MS, () => this.origins.flush());
    this.work.every(FLUSH_MS, () => this.deliveries.flush());
    this.work.every(CLEAN_UP_MS, async () => {
      await dropDeliveryCounts(pool, retentionMs, ROWS_AT_ONCE);
      await dropOriginStates(pool, ORIGINS_KEPT_MS);
    });
  }

  /** Takes what was recorded. @param isForAll whether an agent event is for all agents */
  note(
    clientId: number,
    records: readonly (CountedAttempt & HintedDelivery)[],
    isForAll: (agentEventId: number) => boolean,
  ): void {
    for (const record of records) {
      this.deliveries.note(clientId, record, isForAll(record.agentEventId));
      this.hints.note(clientId, record);
    }
  }

  /** Writes what is left. */
  async stop(): Promise<void> {
    await this.work.stop();
    // A few seconds of a chart, which a crash loses too; what is said of origins ends by itself.
    await Promise.allSettled([this.deliveries.flush(), this.origins.close()]);
  }
}
