import type { Pool } from '#database';
import type { Logger } from '#runtime';
import type { DispatcherMetrics } from '../metrics.js';
import { lastPosition, moveSweptPosition, readUnfannedBetween, sweptPosition } from './change-log.repository.js';
import type { FanOutService } from './fan-out.service.js';

export interface LogSweepOptions {
  readonly pool: Pool;
  readonly fanOut: Pick<FanOutService, 'submit'>;
  /** Changes older than this are not notified any more, in milliseconds. */
  readonly windowMs: number;
  /** How long after a position was given out all up to it are known to be seen, in milliseconds: no writer takes so long. */
  readonly settleMs: number;
  readonly metrics: DispatcherMetrics;
  readonly logger: Logger;
}

/** Positions that are compared by one statement. */
const STEP = 5000;

/**
 * Compares the log of changes with the agents' cursors, and fans out what the topic never brought: a change whose record was lost, or
 * came to a topic that was deleted, is notified also when no later change of its agent comes (contract §5).
 *
 * Positions are given out before their transactions commit, so a part of the log is compared only when it has settled.
 */
export class LogSweep {
  /** Last positions that were given out, with the moment in milliseconds of `performance.now()`, the oldest first. */
  private givenOut: { readonly position: number; readonly at: number }[] = [];

  private stopping = false;

  constructor(private readonly options: LogSweepOptions) {}

  /** Compares what has settled since the last time. @throws when the database cannot be asked; the next call goes on */
  async sweep(): Promise<void> {
    const { pool, settleMs } = this.options;
    const after = await sweptPosition(pool);
    const last = await lastPosition(pool);
    const now = performance.now();
    if (last > after) this.givenOut.push({ position: last, at: now });
    const settled = this.givenOut.findLast(({ at }) => now - at >= settleMs);
    if (!settled) return;
    this.givenOut = this.givenOut.slice(this.givenOut.indexOf(settled) + 1);
    for (let from = after; from < settled.position && !this.stopping; from += STEP) {
      await this.compare(from, Math.min(from + STEP, settled.position));
    }
  }

  /** Has a sweep that is under way end with what it has in hand. */
  stop(): void {
    this.stopping = true;
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
