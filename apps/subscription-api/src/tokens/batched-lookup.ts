interface Asker<V> {
  readonly resolve: (value: V | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Most keys of one question. */
const MAX_KEYS = 1000;

/**
 * Batches look-ups by key: one query runs at a time, and keys that arrive meanwhile form the next batch. However many callers
 * there are, each waits for a few queries at most, and one connection is in use. Nothing is cached: an answer is never older than
 * its question.
 */
export class BatchedLookup<V> {
  private readonly waiting = new Map<string, Asker<V>[]>();
  private asking = false;

  /** @param ask finds the values of some keys; those that it leaves out have none */
  constructor(private readonly ask: (keys: readonly string[]) => Promise<ReadonlyMap<string, V>>) {}

  /** @returns undefined where the key has no value */
  find(key: string): Promise<V | undefined> {
    return new Promise((resolve, reject) => {
      const askers = this.waiting.get(key);
      if (askers) askers.push({ resolve, reject });
      else this.waiting.set(key, [{ resolve, reject }]);
      if (!this.asking) void this.askAll();
    });
  }

  private async askAll(): Promise<void> {
    this.asking = true;
    while (this.waiting.size > 0) {
      const batch = [...this.waiting].slice(0, MAX_KEYS);
      for (const [key] of batch) this.waiting.delete(key);
      try {
        const found = await this.ask(batch.map(([key]) => key));
        for (const [key, askers] of batch) for (const { resolve } of askers) resolve(found.get(key));
      } catch (error) {
        for (const [, askers] of batch) for (const { reject } of askers) reject(error);
      }
    }
    this.asking = false;
  }
}
