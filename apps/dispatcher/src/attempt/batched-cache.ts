/** Most entries that are kept: more than deliveries are out at a time. */
const MAX_ENTRIES = 50_000;
/** Keys that are read at once: whoever asks beside one who asks for thousands does not wait for all of them. */
const MAX_KEYS = 500;

/** A value, and how old it is. */
export interface Read<V> {
  readonly value: V;
  /** When the reading began, in milliseconds of `performance.now()`. */
  readonly readAt: number;
}

/** Reads values many at a time and keeps each for a short while. What cannot be read is not kept. */
export class BatchedCache<V> {
  private readonly entries = new Map<number, Read<V>>();
  private pending: Map<number, Promise<Read<V>>> | undefined;

  /**
   * @param load a value for every key that is asked for
   * @param ttlMs how old a value may be
   */
  constructor(
    private readonly load: (keys: readonly number[]) => Promise<ReadonlyMap<number, V>>,
    private readonly missing: V,
    private readonly ttlMs: number,
  ) {}

  /** The value, where it is fresh: without waiting. */
  peek(key: number): Read<V> | undefined {
    const entry = this.entries.get(key);
    return entry && performance.now() - entry.readAt < this.ttlMs ? entry : undefined;
  }

  /** The value however old it is; undefined where it was not read. */
  latest(key: number): Read<V> | undefined {
    return this.entries.get(key);
  }

  /** Takes a value that was read elsewhere; an older one than is known is left alone. */
  offer(key: number, value: V, readAt: number): void {
    const known = this.entries.get(key);
    if (known && known.readAt >= readAt) return;
    this.entries.delete(key); // so that those that were not read for the longest come first
    this.entries.set(key, { value, readAt });
    if (this.entries.size > MAX_ENTRIES) this.entries.delete(this.entries.keys().next().value!);
  }

  /** @throws what `load` throws */
  get(key: number): Promise<Read<V>> {
    const found = this.peek(key);
    if (found) return Promise.resolve(found);
    if (!this.pending || this.pending.size >= MAX_KEYS) this.pending = this.collect();
    let waiting = this.pending.get(key);
    if (!waiting) this.pending.set(key, (waiting = this.join(key)));
    return waiting;
  }

  private batch: Promise<{ readonly values: ReadonlyMap<number, V>; readonly readAt: number }> | undefined;

  private collect(): Map<number, Promise<Read<V>>> {
    const keys = new Map<number, Promise<Read<V>>>();
    this.batch = new Promise((resolve, reject) => {
      setImmediate(() => {
        if (this.pending === keys) this.pending = undefined;
        const readAt = performance.now();
        this.load([...keys.keys()]).then((values) => {
          for (const key of keys.keys()) this.offer(key, values.get(key) ?? this.missing, readAt);
          resolve({ values, readAt });
        }, reject);
      });
    });
    return keys;
  }

  private async join(key: number): Promise<Read<V>> {
    const { values, readAt } = await this.batch!;
    return { value: values.get(key) ?? this.missing, readAt };
  }
}
