import { LruCache } from '#runtime';

/** Remembers answers for a moment, and asks once for callers that come at the same time. What failed is not remembered. */
export class BriefCache<K, V> {
  private readonly answers: LruCache<K, { readonly value: V }>;
  private readonly pending = new Map<K, Promise<V>>();

  /** @param ttlMs how old an answer may be, in milliseconds */
  constructor(
    capacity: number,
    private readonly ttlMs: number,
  ) {
    this.answers = new LruCache(capacity);
  }

  /** @param ask finds the answer where none is remembered */
  get(key: K, ask: () => Promise<V>): Promise<V> | V {
    const known = this.answers.get(key, Date.now());
    if (known) return known.value;
    let asking = this.pending.get(key);
    if (!asking) {
      asking = this.askAndKeep(key, ask).finally(() => this.pending.delete(key));
      this.pending.set(key, asking);
    }
    return asking;
  }

  private async askAndKeep(key: K, ask: () => Promise<V>): Promise<V> {
    const value = await ask();
    this.answers.set(key, { value }, Date.now() + this.ttlMs);
    return value;
  }
}
