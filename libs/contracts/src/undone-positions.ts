/**
 * Positions of the log that a restore to an earlier moment undid: those above `after` and below `until` may have been given out for
 * changes that are not there any more, and no change will ever have one of them.
 */
export interface UndoneSpan {
  readonly after: number;
  readonly until: number;
}

/** Tells whether a position may have been given out for a change that was undone. */
export function isUndone(position: number, spans: readonly UndoneSpan[]): boolean {
  return spans.some(({ after, until }) => position > after && position < until);
}

/** Returns where a reader goes on that has read everything up to a position: past what was undone, in which nothing is. */
export function pastUndone(position: number, spans: readonly UndoneSpan[]): number {
  return spans.reduce((at, { after, until }) => (at >= after && at < until ? until : at), position);
}
