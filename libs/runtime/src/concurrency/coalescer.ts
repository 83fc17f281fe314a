export interface CoalescerOptions<T, R> {
  /** Does the work of a batch. What it returns, or throws, is every item's. */
  readonly run: (items: readonly T[]) => Promise<R>;
  /** Most items of a batch. A batch that is full lingers no longer. */
  readonly maxItems: number;
  /** Most weight of a batch; a heavier item is a batch of its own. No limit by default. */
  readonly maxWeight?: number;
  /** 1 by default. */
  readonly weightOf?: ((item: T) => number) | undefined;
  /** Items of different keys take turns, so that none waits for all of another's; those of one key stay in order. One key by default. */
  readonly turnOf?: ((item: T) => unknown) | undefined;
  /** Batches at the same time. */
  readonly concurrency: number;
  /** Calls its argument when the first item of a batch has waited long enough for others, as `queueMicrotask` and `setImmediate` do. */
  readonly linger: (begin: () => void) => void;
}

interface Waiting<T, R> {
  readonly item: T;
  readonly resolve: (result: R) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Does work for many callers at once (group commit): items that come within a moment, or while as many batches as may are on their
 * way, share the next one. An item that comes alone waits no longer than the moment.
 */
export class Coalescer<T, R> {
  /** By turn, whose is next first. */
  private readonly queues = new Map<unknown, Waiting<T, R>[]>();
  private count = 0;
  private inFlight = 0;
  /** Set while a batch lingers; replaced by the next one's, so that a late call for a batch that has begun does nothing. */
  private lingering: object | undefined;
  private onIdle: (() => void)[] = [];

  constructor(private readonly options: CoalescerOptions<T, R>) {}

  /** Adds an item to the next batch that has room for it. @returns what the batch returns @throws what the batch throws */
  add(item: T): Promise<R> {
    return new Promise((resolve, reject) => {
      const turn = this.options.turnOf?.(item);
      const waiting = { item, resolve, reject };
      const queue = this.queues.get(turn);
      if (queue) queue.push(waiting);
      else this.queues.set(turn, [waiting]);
      this.count += 1;
      if (this.count === this.options.maxItems) this.beginAfter(queueMicrotask);
      else if (!this.lingering) this.beginAfter(this.options.linger);
    });
  }

  /** Begins what waits now, without lingering. */
  flush(): void {
    this.begin();
  }

  /** Resolves when nothing waits and nothing is on its way. */
  async idle(): Promise<void> {
    if (this.inFlight > 0 || this.count > 0) await new Promise<void>((resolve) => this.onIdle.push(resolve));
  }

  /** Never at once: whoever adds an item has the promise of it before anything happens. */
  private beginAfter(linger: (begin: () => void) => void): void {
    const lingering = {};
    this.lingering = lingering;
    linger(() => {
      if (this.lingering === lingering) this.begin();
    });
  }

  private begin(): void {
    this.lingering = undefined;
    while (this.inFlight < this.options.concurrency && this.count > 0) void this.run(this.take());
  }

  private take(): Waiting<T, R>[] {
    const { maxItems, maxWeight = Infinity, weightOf = () => 1 } = this.options;
    const batch: Waiting<T, R>[] = [];
    let weight = 0;
    while (this.count > 0 && batch.length < maxItems) {
      const [turn, queue] = this.queues.entries().next().value!;
      const next = queue[0]!;
      weight += weightOf(next.item);
      if (batch.length > 0 && weight > maxWeight) break;
      queue.shift();
      this.count -= 1;
      this.queues.delete(turn);
      if (queue.length > 0) this.queues.set(turn, queue); // at the end of the turns
      batch.push(next);
    }
    return batch;
  }

  private async run(batch: readonly Waiting<T, R>[]): Promise<void> {
    this.inFlight += 1;
    try {
      const result = await this.options.run(batch.map(({ item }) => item));
      for (const { resolve } of batch) resolve(result);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.inFlight -= 1;
      this.begin(); // what came meanwhile has waited long enough
      if (this.inFlight === 0 && this.count === 0) for (const resolve of this.onIdle.splice(0)) resolve();
    }
  }
}
