/** How long attempts take, in steps: what the dispatcher counts and the REST API makes percentiles of. */

/** Upper bounds of the steps, in milliseconds; what takes longer than the last is in one more. */
export const LATENCY_BOUNDS_MS = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000] as const;

export const LATENCY_BUCKETS = LATENCY_BOUNDS_MS.length + 1;

/** Returns the step that a duration falls into, from 0. */
export function latencyBucketOf(ms: number): number {
  const bucket = LATENCY_BOUNDS_MS.findIndex((bound) => ms <= bound);
  return bucket < 0 ? LATENCY_BOUNDS_MS.length : bucket;
}
