import { pastUndone, type StatusChange } from '#contracts';
import type { Pool } from '#database';
import type { Logger } from '#runtime';
import { hashOf } from '../lanes/agent-work.js';
import type { ShardLeases } from '../lanes/shard-leases.js';
import type { DispatcherMetrics } from '../metrics.js';
import {
  lastPosition,
  moveSweptPosition,
  readUndoneSpans,
  readUnplannedBetween,
  sweptPosition,
} from './change-log.repository.js';
import type { Intake } from './intake.js';

export interface LogSweepOptions {
  readonly pool: Pool;
  readonly intake: Pick<Intake, 'plan'>;
  readonly leases: Pick<ShardLeases, 'base' | 'held' | 'holds'>;
  /** Changes older than this are not notified any more, in milliseconds. */
  readonly windowMs: number;
  /** How long after a position was given out all up to it are known to be seen, in milliseconds: no writer takes so long. */
  readonly settleMs: number;
  /** How much later the others look at what the instance that goes ahead should have compared for them, in milliseconds. */
  readonly aheadMs: number;
  readonly metrics: DispatcherMetrics;
  readonly logger: Logger;
}

/** Positions that are compared by one statement. */
const STEP = 5000;
/** Who has this shard goes ahead. */
const FIRST_SHARD = 0;

/**
 * Compares the log of changes with the cursors of the agents whose shards are this instance's, and plans what the topic never brought:
 * a change whose record was lost, came in another instance's partition, or to a topic that was deleted, is notified also when no later
 * change of its agent comes (contract §5).
 *
 * Positions are given out before their transactions commit, so a part of the log is compared only when it has settled.
 *
 * However many instances there are, the log is read once: one of them goes ahead, and notes what it has compared for all shards that
 * have nothing left there. The others only look at what that leaves, and at everything should it be late.
 */
export class LogSweep {
  /** Last positions that were given out, with the moment in milliseconds of `performance.now()`, the oldest first. */
  private givenOut: { readonly position: number; readonly at: number }[] = [];

  private stopping = false;

  constructor(private readonly options: LogSweepOptions) {}

  /** Compares what has settled since the last time. @throws when the database cannot be asked; the next call goes on */
  async sweep(): Promise<void> {
    const { pool, settleMs, aheadMs, leases } = this.options;
    const { base } = leases;
    const shards = leases.held.map(({ shard }) => shard);
    if (base === 0 || shards.length === 0) return;
    const isAhead = shards.includes(FIRST_SHARD);
    const undone = await readUndoneSpans(pool);
    let noted = await sweptPosition(pool, shards);
    const last = await lastPosition(pool);
    const now = performance.now();
    if (last > noted) this.givenOut.push({ position: last, at: now });
    const settled = this.givenOut.findLast(({ at }) => now - at >= settleMs + (isAhead ? 0 : aheadMs));
    if (settled) this.givenOut = this.givenOut.slice(this.givenOut.indexOf(settled) + 1);
    // What the first one has left to this instance is looked at now, or it would stay behind the first one for ever.
    const end = Math.max(settled?.position ?? 0, isAhead ? 0 : await sweptPosition(pool, [FIRST_SHARD]));
    while (noted < end && !this.stopping) {
      const after = pastUndone(noted, undone);
      const upTo = Math.max(after, Math.min(after + STEP, end));
      await this.compare(base, isAhead ? range(base) : shards, { noted, after, upTo });
      noted = upTo;
    }
  }

  /** Has a sweep that is under way end with what it has in hand. */
  stop(): void {
    this.stopping = true;
  }

  /**
   * @param base how many shards there are
   * @param shards for which the part is noted as compared, where nothing of it is left to others
   * @param part positions above `after` up to `upTo`; none between `noted` and `after` are of a change
   */
  private async compare(
    base: number,
    shards: readonly number[],
    { noted, after, upTo }: { readonly noted: number; readonly after: number; readonly upTo: number },
  ): Promise<void> {
    const { pool, intake, leases, windowMs, metrics, logger } = this.options;
    const unplanned = await readUnplannedBetween(pool, after, upTo, windowMs);
    const own: StatusChange[] = [];
    const left = new Set<number>();
    for (const change of unplanned) {
      const hash = hashOf(change);
      if (leases.holds(hash)) own.push(change);
      else left.add(hash % base);
    }
    if (own.length > 0) {
      const { recorded, passedOver } = await intake.plan(own);
      metrics.filled.inc(own.length);
      logger.info({ changes: own.length }, 'intake.missed_by_the_topic');
      await recorded;
      if (passedOver.length > 0) return; // their shard was given up meanwhile: the next sweep begins here again
    }
    const compared = shards.filter((shard) => !left.has(shard));
    await moveSweptPosition(pool, base, compared, noted, upTo);
  }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, nth) => nth);
}
