import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits until a look at the world finds what it looks for.
 *
 * @param look returns undefined or false while it is not there yet; what it throws is told when time is up
 * @param what is named in the error
 */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  timeoutMs = 20_000,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let last: unknown;
    try {
      const found = await look();
      if (found !== undefined && found !== null && found !== false) return found as Exclude<T, false | null | undefined>;
      last = found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms; last: ${String(last)}`, { cause: last });
    await delay(20);
  }
}
