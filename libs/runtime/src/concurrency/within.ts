/**
 * Waits for a promise, but no longer than `ms` milliseconds. The promise is then left to itself: what it rejects with later is dropped.
 *
 * @param otherwise gives the result of a wait that took too long, or throws
 * @throws what the promise rejects with in time, and what `otherwise` throws
 */
export async function within<T, U>(ms: number, promise: Promise<T>, otherwise: () => U): Promise<T | U> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms))).then(otherwise);
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until all promises have settled, either way, but no longer than `ms` milliseconds. @returns whether they have */
export function settledWithin(ms: number, promises: readonly Promise<unknown>[]): Promise<boolean> {
  const settled = Promise.allSettled(promises).then(() => true);
  return within(ms, settled, () => false);
}

/**
 * Waits for a promise, but no longer than until the signal aborts.
 *
 * @throws what the promise rejects with; the signal's reason once it aborts, and the promise is then left to itself
 */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** A promise that is settled from outside. What it rejects with counts as handled: nobody may be waiting any more. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

/** Makes a promise that is settled from outside. */
export function deferred<T = void>(): Deferred<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<T>((fulfil, refuse) => {
    resolve = fulfil;
    reject = refuse;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
