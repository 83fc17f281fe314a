import type { Pool } from '#database';
import type { Logger } from '#runtime';
import type { DispatcherMetrics } from '../metrics.js';
import { moveSweptPosition, newestPosition, readUnfannedBetween, sweptPosition } from './change-log.repository.js';
import type { FanOutService } from './fan-out.service.js';

export interface LogSweepOptions {
  readonly pool: Pool;
  readonly fanOut: Pick<FanOutService, 'submit'>;
  /** Changes older than this are not notified any more, in milliseconds. */
  readonly windowMs: number;
  /** How long after a position was seen all before it are known to be seen too, in milliseconds: no writer takes so long. */
  readonly settleMs: number;
  readonly metrics: DispatcherMetrics;
  readonly logger: Logger;
}

/** Positions that are compared by one statement. */
const STEP = 5000;
/** Most positions that are looked ahead at once. */
const MAX_AHEAD = 1_000_000;

/**
 * Compares the log of changes with the agents' cursors, and fans out what the topic never brought: a change whose record was lost, or
 * came to a topic that was deleted, is notified also when no later change of its agent comes (contract §5).
 *
 * Positions are given out before their transactions commit, so a part of the log is compared only when it has settled.
 */
export class LogSweep {
  /** Newest positions that were seen, with the moment in milliseconds of `performance.now()`, the oldest first. */
  private seen: { readonly position: number; readonly at: number }[] = [];

  constructor(private readonly options: LogSweepOptions) {}

  /** Compares what has settled since the last time. @throws when the database cannot be asked; the next call goes on */
  async sweep(): Promise<void> {
    const { pool, settleMs } = this.options;
    const after = await sweptPosition(pool);
    const newest = await newestPosition(pool, after, MAX_AHEAD);
    const now = performance.now();
    if (newest !== undefined) this.seen.push({ position: newest, at: now });
    const settled = this.seen.findLast(({ at }) => now - at >= settleMs);
    if (!settled) return;
    this.seen = this.seen.slice(this.seen.indexOf(settled) + 1);
    for (let from = after; from < settled.position; from += STEP) {
      await this.compare(from, Math.min(from + STEP, settled.position));
    }
  }

  private async compare(after: number, upTo: number): Promise<void> {
    const { pool, fanOut, windowMs, metrics, logger } = this.options;
    const missed = await readUnfannedBetween(pool, after, upTo, windowMs);
    if (missed.length > 0) {
      await fanOut.submit(missed);
      metrics.filled.inc(missed.length);
      logger.warn({ changes: missed.length }, 'fan_out.missed_by_the_topic');
    }
    await moveSweptPosition(pool, upTo);
  }
}
