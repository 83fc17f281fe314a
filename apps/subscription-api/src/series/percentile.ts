import { LATENCY_BOUNDS_MS } from '#contracts';

/**
 * Estimates how long so great a part of attempts took at most: exact to the step that it falls into, and taken as evenly spread
 * within that. Pure.
 *
 * @param counts attempts by step of LATENCY_BOUNDS_MS
 * @param part from 0 to 1
 * @returns milliseconds; null: there were none. What took longer than the last bound is told as that
 */
export function percentileOf(counts: readonly number[], part: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const rank = part * total;
  let below = 0;
  for (const [step, count] of counts.entries()) {
    if (below + count >= rank && count > 0) {
      const from = LATENCY_BOUNDS_MS[step - 1] ?? 0;
      const to = LATENCY_BOUNDS_MS[step] ?? from;
      return Math.round(from + ((to - from) * (rank - below)) / count);
    }
    below += count;
  }
  return LATENCY_BOUNDS_MS.at(-1)!;
}
