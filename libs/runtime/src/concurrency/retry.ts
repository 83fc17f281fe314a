import { setTimeout as delay } from 'node:timers/promises';

/** Doubling delays with full jitter between half and the whole of the step, in milliseconds. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Computes the delay before retry `attempt` (from 1), in milliseconds. Pure but for the random number, which is a parameter. */
export function backoffDelay(attempt: number, { firstMs, maxMs }: Backoff, random: number): number {
  const step = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 30));
  return step / 2 + (step / 2) * random;
}

/** Waits before a retry; ends early, without an error, when the signal aborts. */
export async function waitBackoff(attempt: number, backoff: Backoff, signal?: AbortSignal): Promise<void> {
  try {
    await delay(backoffDelay(attempt, backoff, Math.random()), undefined, { signal, ref: true });
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}

export interface RetryOptions {
  readonly backoff: Backoff;
  /** Once it is aborted nobody waits any more: one last attempt is made. */
  readonly signal?: AbortSignal | undefined;
  /** Told of each failure after which there is another attempt. Throws to give up. @param attempt from 1 */
  readonly onFailure: (error: unknown, attempt: number) => void;
}

/**
 * Repeats work until it succeeds, with backoff.
 *
 * @throws what `onFailure` throws; what the last attempt throws, once the signal has aborted
 */
export async function retry<T>(work: () => Promise<T>, { backoff, signal, onFailure }: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (signal?.aborted) throw error;
      onFailure(error, attempt);
      await waitBackoff(attempt, backoff, signal);
    }
  }
}
