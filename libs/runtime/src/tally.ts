/**
 * Values by key that gather in memory until they are written, and come back where that failed. Bounded: beyond a number of keys,
 * new ones are left out.
 */
export class Tally<T> {
  private readonly values = new Map<string, T>();

  /**
   * @param maxKeys keys that are held at most
   * @param merge adds the second value, which is older, to the first
   */
  constructor(
    private readonly maxKeys: number,
    private readonly merge: (into: T, older: T) => void,
  ) {}

  /**
   * Finds the value of a key, and makes it where there is none.
   *
   * @returns undefined where there is no room for another key
   */
  of(key: string, make: () => T): T | undefined {
    const known = this.values.get(key);
    if (known !== undefined) return known;
    if (this.values.size >= this.maxKeys) return undefined;
    const made = make();
    this.values.set(key, made);
    return made;
  }

  /**
   * Writes everything that has gathered, the oldest first.
   *
   * @param atOnce most values of one call of `write`
   * @throws what `write` throws; what is not written stays
   */
  async flush(atOnce: number, write: (values: readonly T[]) => Promise<void>): Promise<void> {
    for (let left = this.values.size; left > 0; left -= atOnce) {
      const taken = [...this.values].slice(0, Math.min(left, atOnce));
      for (const [key] of taken) this.values.delete(key);
      try {
        await write(taken.map(([, value]) => value));
      } catch (error) {
        for (const [key, value] of taken) {
          const newer = this.values.get(key);
          if (newer === undefined) this.values.set(key, value);
          else this.merge(newer, value);
        }
        throw error;
      }
    }
  }
}
