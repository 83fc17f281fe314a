/** Does work again and again in the background, one piece at a time. What fails is told, and done again when its time comes. */
export class PeriodicWork {
  private readonly timers: NodeJS.Timeout[] = [];
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly onError: (error: unknown) => void) {}

  /** @param ms from one beginning to the next, in milliseconds; the first is that far away */
  every(ms: number, work: () => Promise<void>): void {
    this.timers.push(setInterval(() => void this.run(work), ms));
  }

  /** Does it now, after what is being done. Never rejects. */
  run(work: () => Promise<void>): Promise<void> {
    this.running = this.running.then(work).catch(this.onError);
    return this.running;
  }

  /** Begins nothing more, and waits for what has begun. */
  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.running;
  }
}
