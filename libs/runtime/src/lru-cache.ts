/**
 * A map that forgets what was not used for longest when it is full, and what has expired. The clock is a parameter; what has no
 * time to expire at needs none.
 */
export class LruCache<K, V> {
  private readonly entries = new Map<K, { readonly value: V; readonly expiresAt: number }>();

  constructor(private readonly capacity: number) {}

  get(key: K, now = -Infinity): V | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    this.entries.delete(key);
    if (entry.expiresAt <= now) return undefined;
    this.entries.set(key, entry); // a Map keeps the order of insertion: this one is now the youngest
    return entry.value;
  }

  set(key: K, value: V, expiresAt = Infinity): void {
    this.entries.delete(key);
    if (this.entries.size >= this.capacity) this.entries.delete(this.entries.keys().next().value!);
    this.entries.set(key, { value, expiresAt });
  }

  delete(key: K): void {
    this.entries.delete(key);
  }

  get size(): number {
    return this.entries.size;
  }
}
