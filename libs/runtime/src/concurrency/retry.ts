import { setTimeout as delay } from 'node:timers/promises';

/** Doubling delays with full jitter between half and the whole of the step, in milliseconds. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** The delay before retry `attempt` (from 1), in milliseconds. Pure but for the random number, which is a parameter. */
export function backoffDelay(attempt: number, { firstMs, maxMs }: Backoff, random: number): number {
  const step = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 30));
  return step / 2 + (step / 2) * random;
}

/**
 * Waits before a retry; ends early, without an error, when the signal aborts.
 */
export async function waitBackoff(attempt: number, backoff: Backoff, signal?: AbortSignal): Promise<void> {
  try {
    await delay(backoffDelay(attempt, backoff, Math.random()), undefined, { signal, ref: true });
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}
