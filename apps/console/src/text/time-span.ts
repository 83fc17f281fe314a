export const RECENT_SPANS = ['1h', '24h', '7d'] as const;
export type RecentSpan = (typeof RECENT_SPANS)[number];

/** When: of late, or between two moments. */
export interface TimeSpan {
  readonly span?: RecentSpan | undefined;
  /** RFC 3339. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

const HOUR_MS = 3_600_000;
const LENGTH_MS: Readonly<Record<RecentSpan, number>> = { '1h': HOUR_MS, '24h': 24 * HOUR_MS, '7d': 168 * HOUR_MS };

/**
 * Returns the moments of a time: those of late are other ones each time that they are asked for.
 *
 * @param now milliseconds since the epoch
 */
export function momentsOf({ span, since, until }: TimeSpan, now: number): Pick<TimeSpan, 'since' | 'until'> {
  return span === undefined ? { since, until } : { since: new Date(now - LENGTH_MS[span]).toISOString() };
}
