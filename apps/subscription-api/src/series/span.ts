import { ApiError } from '#http';

/** The points of a chart: spans of equal length, aligned to the clock. Pure. */

/** Contract §3. */
export const MAX_POINTS = 1000;
/** What was counted was counted by the minute. */
export const MINUTE_S = 60;
const HOUR_S = 3600;
const DEFAULT_SPAN_MS = HOUR_S * 1000;
/** Steps that are chosen where none is asked for, in seconds. */
const STEPS = [60, 300, 900, HOUR_S, 4 * HOUR_S, 24 * HOUR_S] as const;

export interface SeriesQuery {
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
  /** Seconds. */
  readonly step?: number | undefined;
}

/** A chart's points. */
export interface SeriesSpan {
  /** Beginning of the first point, in seconds since the epoch. */
  readonly from: number;
  /** Seconds from one point to the next. */
  readonly step: number;
  readonly points: number;
  /** What counts are read: minutes, or hours where the step is made of them; in seconds. */
  readonly grain: typeof MINUTE_S | typeof HOUR_S;
}

/**
 * Decides which points a chart gets.
 *
 * @param now milliseconds since the epoch; nothing is told of what is ahead of it
 * @throws ApiError where there are too many, or none
 */
export function spanOf({ since, until, step }: SeriesQuery, now: number): SeriesSpan {
  const end = Math.min(until?.getTime() ?? now, now);
  const begin = since?.getTime() ?? end - DEFAULT_SPAN_MS;
  if (begin >= end) {
    if (since && begin >= now) throw ApiError.invalid('since', 'must not be ahead of now');
    throw ApiError.invalid('until', 'must be later than since');
  }
  const pointsOf = (seconds: number): number => Math.ceil(end / 1000 / seconds) - Math.floor(begin / 1000 / seconds);
  const chosen = step ?? STEPS.find((seconds) => pointsOf(seconds) <= MAX_POINTS);
  if (chosen === undefined) throw ApiError.invalid('since', 'must be closer to until');
  if (pointsOf(chosen) > MAX_POINTS) {
    const least = Math.ceil((end - begin) / 1000 / (MAX_POINTS - 1) / MINUTE_S) * MINUTE_S;
    throw ApiError.invalid('step', `gives more than ${MAX_POINTS} points: must be at least ${least} for this span of time`);
  }
  const grain = chosen % HOUR_S === 0 ? HOUR_S : MINUTE_S;
  return { from: Math.floor(begin / 1000 / chosen) * chosen, step: chosen, points: pointsOf(chosen), grain };
}

/** Puts each row's value at its point; points without a row get `empty`. */
export function placed<R extends { readonly point: number }, T>(
  { points }: SeriesSpan,
  rows: readonly R[],
  value: (row: R) => T,
  empty: T,
): T[] {
  const series = new Array<T>(points).fill(empty);
  for (const row of rows) series[row.point] = value(row);
  return series;
}

/** Fills unknown points with the value of the point before. */
export function carriedOn(series: readonly (number | undefined)[], before: number): number[] {
  let last = before;
  return series.map((value) => (last = value ?? last));
}
