/** Repeats several pieces of work in the background by the clock, one at a time. A failure is reported; the next turn comes all the same. */
export class PeriodicWork {
  private readonly timers: NodeJS.Timeout[] = [];
  private last: Promise<void> = Promise.resolve();

  constructor(private readonly onError: (error: unknown) => void) {}

  /** Repeats work. @param ms from one beginning to the next, in milliseconds; the first is that far away */
  every(ms: number, work: () => Promise<void>): void {
    this.schedule(ms, work);
  }

  /** Repeats work, for the first time now, after the work under way. Resolves when that first time is over; never rejects. */
  atOnceAndEvery(ms: number, work: () => Promise<void>): Promise<void> {
    return this.schedule(ms, work)();
  }

  /** Begins nothing more but what is already due, and waits for that. */
  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.last;
  }

  /** Skips a turn of work that has not ended yet: a slow database must not gather a queue. */
  private schedule(ms: number, work: () => Promise<void>): () => Promise<void> {
    let due: Promise<void> | undefined;
    const run = (): Promise<void> => {
      if (due) return due;
      this.last = due = this.last
        .then(work)
        .catch(this.onError)
        .finally(() => (due = undefined));
      return due;
    };
    this.timers.push(setInterval(() => void run(), ms));
    return run;
  }
}
