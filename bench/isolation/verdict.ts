import { quantile } from '../statistics.js';

/** Milliseconds from a report of telemetry to the arrival of its notification. */
export interface Latencies {
  readonly p50: number;
  readonly p99: number;
  /** Changes that were measured. */
  readonly changes: number;
  /** Those whose notification did not come at all while it was waited for; they count as infinitely late. */
  readonly missing: number;
}

/** @param tookMs undefined where nothing came */
export function latenciesOf(tookMs: readonly (number | undefined)[]): Latencies {
  const all = tookMs.map((took) => took ?? Infinity);
  return {
    p50: quantile(all, 0.5),
    p99: quantile(all, 0.99),
    changes: all.length,
    missing: all.filter((took) => took === Infinity).length,
  };
}

/** Returns what a client's p99 may be beside any neighbour, by what it is without: contract §7.5. */
export function limitOf(without: Latencies): number {
  return 2 * without.p99 + 250;
}

/** Tells whether contract §7.5 was kept; not, where what it is measured against was itself not whole. */
export function isKept(without: Latencies, beside: Latencies): boolean {
  return without.missing === 0 && beside.missing === 0 && beside.changes > 0 && beside.p99 <= limitOf(without);
}
