import { LRUCache } from 'lru-cache';

/** Keeps answers for a while, and asks once for all callers that come meanwhile. What failed is not kept. */
export class TtlCache<K extends string | number, V> {
  /** Boxed, since lru-cache keeps no `undefined`. */
  private readonly answers: LRUCache<K, { readonly value: V }, () => Promise<V>>;

  /**
   * @param max most answers; the one that was not used for the longest time goes first
   * @param ttlMs how long an answer is kept from when it came, in milliseconds
   */
  constructor(max: number, ttlMs: number) {
    this.answers = new LRUCache({
      max,
      ttl: ttlMs,
      ttlResolution: 0,
      perf: { now: () => performance.now() }, // not the one that was there when lru-cache was loaded: tests have their own
      fetchMethod: async (_key, _stale, { context: ask }) => ({ value: await ask() }),
      ignoreFetchAbort: true, // whoever waits for an answer that has lost its place gets it all the same
    });
  }

  /** Gives the answer for a key. @param ask finds it where none is kept @throws what `ask` throws */
  async get(key: K, ask: () => Promise<V>): Promise<V> {
    const { value } = await this.answers.forceFetch(key, { context: ask });
    return value;
  }
}
