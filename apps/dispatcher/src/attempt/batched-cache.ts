import { LRUCache } from 'lru-cache';
import { Coalescer } from '#runtime';

/** Most entries: more than deliveries are out at a time. Beyond it the one that was read the longest ago is dropped. */
const MAX_ENTRIES = 50_000;
/** Most keys of one read: a caller beside one that asks for thousands does not wait for all of them. */
const MAX_KEYS = 500;

/** A value, and how old it is. */
export interface Read<V> {
  readonly value: V;
  /** When the reading began, in milliseconds of `performance.now()`. */
  readonly readAt: number;
}

/** Reads values many at a time and keeps each for a short while. What cannot be read is not kept. */
export class BatchedCache<V> {
  /** Only looked into with `peek`, so that what was read last comes last. */
  private readonly entries: { peek(key: number): Read<V> | undefined; set(key: number, entry: Read<V>): unknown } = new LRUCache<
    number,
    Read<V>
  >({ max: MAX_ENTRIES });
  /** Keys that wait for the next read; who asks during a read waits for the one after it. */
  private readonly pending = new Map<number, Promise<Read<V>>>();
  private readonly reads: Pick<Coalescer<number, { readonly values: ReadonlyMap<number, V>; readonly readAt: number }>, 'add'>;

  /**
   * @param load a value for every key that is asked for
   * @param ttlMs how old a value may be
   */
  constructor(
    private readonly load: (keys: readonly number[]) => Promise<ReadonlyMap<number, V>>,
    private readonly missing: V,
    private readonly ttlMs: number,
  ) {
    this.reads = new Coalescer({
      run: (keys) => this.read(keys),
      maxItems: MAX_KEYS,
      concurrency: Infinity,
      linger: setImmediate,
    });
  }

  /** Returns the value if it is fresh, without waiting. */
  peek(key: number): Read<V> | undefined {
    const entry = this.entries.peek(key);
    return entry && performance.now() - entry.readAt < this.ttlMs ? entry : undefined;
  }

  /** Returns the value however old it is; undefined if it was never read. */
  latest(key: number): Read<V> | undefined {
    return this.entries.peek(key);
  }

  /** Offers a value that was read elsewhere; it is ignored if a newer one is known. */
  offer(key: number, value: V, readAt: number): void {
    const known = this.entries.peek(key);
    if (!known || known.readAt < readAt) this.entries.set(key, { value, readAt });
  }

  /** Returns the value, reading it if it is not fresh. @throws what `load` throws */
  get(key: number): Promise<Read<V>> {
    const found = this.peek(key);
    if (found) return Promise.resolve(found);
    let waiting = this.pending.get(key);
    if (!waiting) {
      waiting = this.readSoon(key);
      this.pending.set(key, waiting);
    }
    return waiting;
  }

  private async readSoon(key: number): Promise<Read<V>> {
    const { values, readAt } = await this.reads.add(key);
    return { value: values.get(key) ?? this.missing, readAt };
  }

  private async read(keys: readonly number[]): Promise<{ values: ReadonlyMap<number, V>; readAt: number }> {
    for (const key of keys) this.pending.delete(key);
    const readAt = performance.now();
    const values = await this.load(keys);
    for (const key of keys) this.offer(key, values.get(key) ?? this.missing, readAt);
    return { values, readAt };
  }
}
