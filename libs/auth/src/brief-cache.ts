import { LRUCache } from 'lru-cache';

/** Remembers answers for a moment, and asks once for callers that come at the same time. What failed is not remembered. */
export class BriefCache<K extends string | number, V> {
  private readonly answers: LRUCache<K, { readonly value: V }>;
  private readonly pending = new Map<K, Promise<V>>();

  /** @param ttlMs how old an answer may be, in milliseconds */
  constructor(capacity: number, ttlMs: number) {
    this.answers = new LRUCache({ max: capacity, ttl: ttlMs });
  }

  /** @param ask finds the answer where none is remembered */
  get(key: K, ask: () => Promise<V>): Promise<V> | V {
    const known = this.answers.get(key);
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
    this.answers.set(key, { value });
    return value;
  }
}
