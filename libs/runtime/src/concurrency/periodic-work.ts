/** Does work again and again in the background, one piece at a time. What fails is told, and done again when its time comes. */
export class PeriodicWork {
  private readonly timers: NodeJS.Timeout[] = [];
  private last: Promise<void> = Promise.resolve();

  constructor(private readonly onError: (error: unknown) => void) {}

  /** @param ms from one beginning to the next, in milliseconds; the first is that far away */
  every(ms: number, work: () => Promise<void>): void {
    this.schedule(ms, work);
  }

  /** Does it now too, after what is being done. Resolves when that is over; never rejects. */
  atOnceAndEvery(ms: number, work: () => Promise<void>): Promise<void> {
    return this.schedule(ms, work)();
  }

  /** Begins nothing more but what is already due, and waits for it. */
  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.last;
  }

  /** Work that is not done when its time comes again is left out that time: a slow database must not gather a queue. */
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
