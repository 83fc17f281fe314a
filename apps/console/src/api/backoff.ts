import { ApiFailure } from './http';

/** When to ask again after a failure. */

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;

/** Tells whether asking again may be answered otherwise. */
export function mayPass(error: unknown): boolean {
  return !(error instanceof ApiFailure) || error.status === 0 || error.status === 429 || error.status >= 500;
}

/** Returns how long to wait, in milliseconds: as long as the server said, else longer each time. @param failures in a row, from 1 */
export function delayAfter(error: unknown, failures: number): number {
  if (error instanceof ApiFailure && error.retryAfter !== undefined) return error.retryAfter * 1000;
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1)) * (0.75 + Math.random() / 2);
}

/** Waits, but not beyond the moment at which the browser is online again. @param ms undefined: for nothing else */
export function pause(ms: number | undefined, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = new AbortController();
    const end = (): void => {
      over.abort();
      window.clearTimeout(timer);
      resolve();
    };
    const timer = ms === undefined ? undefined : window.setTimeout(end, ms);
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { signal: over.signal });
    window.addEventListener('online', end, { signal: over.signal });
  });
}
