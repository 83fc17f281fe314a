import { Injectable } from '@nestjs/common';
import { pastUndone, type UndoneSpan } from '#contracts';
import type { ResetReason } from '../streams/streams.module.js';
import { isKnownCursor, positionsToAccountFor, startOfLog } from './cursor.js';
import { advance, type HighWaterMark } from './high-water-mark.js';
import { StatusLogRepository } from './status-log.repository.js';

/** Positions that are read at a time. */
export const MAX_POSITIONS = 5000;
/** A mark that was not moved for this long starts anew from what is settled, in milliseconds. */
const STALE_MS = 60_000;

/** Hears of what the mark passes. */
export interface MarkListener {
  /**
   * @param position where the mark stands now
   * @param lastOf the last position that it passed, by client; undefined: it leapt, and nobody looked at what lies between
   */
  moved(position: number, lastOf: ReadonlyMap<number, number> | undefined): void;
  /** The database has gone back, to an older copy: positions above the mark will be given out a second time. */
  wentBack(position: number): void;
}

/**
 * Tracks the position up to which the log is complete: everything below it is visible or never will be. It moves when asked, and
 * tells one listener.
 */
@Injectable()
export class LogMark {
  private mark: HighWaterMark = { position: 0, probe: undefined };
  private movedAt = Number.NEGATIVE_INFINITY;
  private moving: Promise<void> | undefined;
  private listener: MarkListener | undefined;
  /** As the last look at the bounds found it; whoever reads the log from a cursor had one. */
  private undone: readonly UndoneSpan[] = [];

  constructor(private readonly log: StatusLogRepository) {}

  listen(listener: MarkListener): void {
    this.listener = listener;
  }

  /** Returns the current position, without reading the database. */
  get position(): number {
    return this.mark.position;
  }

  /** Returns where a reader goes on that has read everything up to a position. */
  next(position: number): number {
    return pastUndone(position, this.undone);
  }

  /** Moves the mark as far as the log is complete now. Concurrent callers share one read. */
  async move(): Promise<HighWaterMark> {
    await (this.moving ??= this.moveNow().finally(() => (this.moving = undefined)));
    return this.mark;
  }

  /**
   * Finds where to continue for a cursor.
   *
   * @returns the position to continue after, or why there is none
   */
  async findStart(cursor: number): Promise<number | ResetReason> {
    const { position } = await this.move();
    const bounds = await this.log.readBounds();
    this.undone = bounds.undone;
    // Of the database: another instance may have handed out a cursor that this one has not come to yet.
    if (!isKnownCursor(cursor, bounds)) return 'unknown_cursor';
    if (cursor === 0) return startOfLog(bounds);
    const due = positionsToAccountFor(cursor, bounds, position);
    const isComplete = !due || (await this.log.countDirectoryChanges(due)) === due.upTo - due.after;
    return isComplete ? cursor : 'expired_cursor';
  }

  private async moveNow(): Promise<void> {
    if (Date.now() - this.movedAt > STALE_MS) {
      const settled = await this.log.settledPosition();
      if (settled > this.mark.position) {
        this.mark = { position: settled, probe: undefined };
        this.listener?.moved(settled, undefined);
      }
    }
    for (;;) {
      const from = this.mark.position;
      const { positions, clientIds, open, lastGivenOut } = await this.log.readTail(from, MAX_POSITIONS);
      if (lastGivenOut < from) return this.goBack(lastGivenOut);
      const now = Date.now();
      this.mark = advance(this.mark, positions, open, now);
      this.movedAt = now;
      this.tell(positions, clientIds);
      if (positions.length < MAX_POSITIONS || this.mark.position === from) return;
    }
  }

  private async goBack(lastGivenOut: number): Promise<void> {
    this.mark = { position: Math.min(await this.log.settledPosition(), lastGivenOut), probe: undefined };
    this.listener?.wentBack(this.mark.position);
    return this.moveNow();
  }

  private tell(positions: readonly number[], clientIds: readonly number[]): void {
    const { position: mark } = this.mark;
    const lastOf = new Map<number, number>();
    for (const [nth, position] of positions.entries()) if (position <= mark) lastOf.set(clientIds[nth]!, position);
    this.listener?.moved(mark, lastOf);
  }
}
