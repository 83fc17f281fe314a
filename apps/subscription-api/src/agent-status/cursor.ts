import { isUndone, type UndoneSpan } from '#contracts';
import { ApiError } from '#http';
import type { ResetReason } from '../streams/streams.module.js';

/** The cursors of the log: positions that stream and history continue after. Pure: contract §1 and §3. */

/** What is kept of the log, and how far it goes. */
export interface LogBounds {
  /** The last position that the database has given out, whether or not it is visible yet. */
  readonly lastGivenOut: number;
  /** The first status change that is kept; undefined: none is. */
  readonly oldestStatus: number | undefined;
  /** The first and the last change of the directory that are kept; undefined: none is. */
  readonly oldestDirectory: number | undefined;
  readonly newestDirectory: number | undefined;
  /** Positions that were given out before the database was restored to an earlier moment. */
  readonly undone: readonly UndoneSpan[];
}

/**
 * Reads a cursor as it comes in a query or header: a whole number, however large.
 *
 * @returns Infinity for one that is too large for a number, and so above every position; undefined for what is no number
 */
export function parseCursor(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** @throws ApiError `cursor_expired`, the answer where a request cannot go on from somewhere else by itself */
export function refuseCursor(reason: ResetReason): never {
  throw new ApiError(
    'cursor_expired',
    reason === 'expired_cursor'
      ? 'The log no longer reaches back to this cursor: read /agent_status/ and continue from its X-Event-Cursor'
      : 'This log has given out no such cursor: read /agent_status/ and continue from its X-Event-Cursor',
  );
}

/** Returns whether a cursor is of this log: it was given out, and not for what a restore has undone. */
export function isKnownCursor(cursor: number, { lastGivenOut, undone }: LogBounds): boolean {
  return cursor <= lastGivenOut && !isUndone(cursor, undone);
}

/** Returns the position before everything that is kept. */
export function startOfLog({ oldestStatus, oldestDirectory }: LogBounds): number {
  const oldest = Math.min(oldestStatus ?? Infinity, oldestDirectory ?? Infinity);
  return Number.isFinite(oldest) ? oldest - 1 : 0;
}

/**
 * Returns the positions after a cursor whose entries have to be in the directory's log, since the log of status changes begins above
 * them: where one is missing, the log no longer reaches back. Both logs share one sequence and are dropped from their old
 * end, so nothing can be missing where status changes are kept. (A position that was taken and rolled back before the
 * first status change that is kept counts as missing too: nobody can tell.)
 *
 * @param settled up to it, what is not visible never will be
 * @returns undefined where there are none
 */
export function positionsToAccountFor(
  cursor: number,
  { lastGivenOut, oldestStatus, newestDirectory }: LogBounds,
  settled: number,
): { readonly after: number; readonly upTo: number } | undefined {
  const isEmpty = oldestStatus === undefined && newestDirectory === undefined;
  const upTo = isEmpty ? lastGivenOut : Math.min((oldestStatus ?? newestDirectory! + 1) - 1, settled);
  return upTo > cursor ? { after: cursor, upTo } : undefined;
}
