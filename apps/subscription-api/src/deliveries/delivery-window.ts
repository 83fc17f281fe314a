/** How many attempts were counted in the minute that a page may begin in. */
export interface CountedMinute {
  /** When it begins, in milliseconds since the epoch. */
  readonly at: number;
  /** Counted in this minute. */
  readonly attempts: number;
  /** Counted in the minutes after it, up to the end. */
  readonly later: number;
}

const MINUTE_MS = 60_000;

/**
 * Guesses where so many attempts begin, the nearest guess first: in a busy minute at the share of it that is needed, at its beginning, and
 * somewhat before, since what was counted may be of older changes. Each is only a guess: what is found in a window that holds
 * enough is the newest whatever the window was. Pure.
 *
 * @param end up to which attempts are looked for, in milliseconds since the epoch
 * @param slackMs how much older changes mostly are than their attempts were counted, at most
 * @returns milliseconds since the epoch
 */
export function beginningsIn({ at, attempts, later }: CountedMinute, needed: number, end: number, slackMs: number): number[] {
  const last = Math.min(at + MINUTE_MS, Math.max(end, at));
  const share = (needed - later) / attempts;
  const inMinute = share < 0.5 ? [Math.floor(last - share * (last - at))] : [];
  return [...inMinute, at, at - slackMs];
}
