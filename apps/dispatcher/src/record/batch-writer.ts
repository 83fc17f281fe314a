import { waitBackoff, type Logger } from '#runtime';

const BACKOFF = { firstMs: 50, maxMs: 2000 };

export interface BatcherOptions<T> {
  /** For the log. */
  readonly name: string;
  /** Must be safe to repeat: an error may come after the work was done. */
  readonly write: (items: readonly T[]) => Promise<void>;
  /** Ends an item that the database refuses for what it is; writing it again cannot help. */
  readonly onRefused: (item: T) => Promise<void>;
  readonly maxSize: number;
  /** A batch that has so much weight takes no further item; without it, their number is all that counts. */
  readonly maxWeight?: number;
  readonly weightOf?: (item: T) => number;
  /** Items of different keys take turns, so that none waits for all of another's. */
  readonly turnOf?: (item: T) => unknown;
  /** Batches at the same time. */
  readonly concurrency: number;
  /** How long the first item of a batch waits for others, in milliseconds. */
  readonly lingerMs: number;
  readonly logger: Logger;
}

/**
 * Writes items in batches until they are written: a database that is away is waited for, and an item that the database
 * refuses is told apart from the others of its batch, logged and ended.
 */
export class Batcher<T> {
  /** By turn, whose is next first. */
  private readonly waiting = new Map<unknown, T[]>();
  private count = 0;
  private inFlight = 0;
  private timer: NodeJS.Timeout | undefined;
  private readonly aborter = new AbortController();
  private idle: (() => void)[] = [];

  constructor(private readonly options: BatcherOptions<T>) {}

  add(item: T): void {
    const turn = this.options.turnOf?.(item);
    const queue = this.waiting.get(turn);
    if (queue) queue.push(item);
    else this.waiting.set(turn, [item]);
    this.count += 1;
    if (this.count >= this.options.maxSize) this.pump();
    else this.timer ??= setTimeout(() => this.pump(), this.options.lingerMs);
  }

  /** Waits until all is written, or gives up after a time, in milliseconds. */
  async drain(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.aborter.abort(), timeoutMs);
    this.pump();
    if (this.inFlight > 0 || this.count > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
    clearTimeout(timer);
  }

  private pump(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    while (this.inFlight < this.options.concurrency && this.count > 0) void this.run(this.take());
  }

  private take(): T[] {
    const { maxSize, maxWeight = Infinity, weightOf = () => 1 } = this.options;
    const items: T[] = [];
    for (let weight = 0; this.count > 0 && items.length < maxSize && weight < maxWeight;) {
      const [turn, queue] = this.waiting.entries().next().value!;
      const item = queue.shift()!;
      this.waiting.delete(turn);
      if (queue.length > 0) this.waiting.set(turn, queue);
      this.count -= 1;
      weight += weightOf(item);
      items.push(item);
    }
    return items;
  }

  private async run(items: readonly T[]): Promise<void> {
    this.inFlight += 1;
    try {
      await this.writeAll(items);
    } finally {
      this.inFlight -= 1;
      // What came meanwhile has waited long enough.
      this.pump();
      if (this.inFlight === 0 && this.count === 0) for (const resolve of this.idle.splice(0)) resolve();
    }
  }

  private async writeAll(items: readonly T[]): Promise<void> {
    const { write, onRefused } = this.options;
    if (!(await this.isRefused(items, write))) return;
    if (items.length === 1) return void (await this.isRefused(items, ([item]) => onRefused(item!)));
    const half = items.length >> 1;
    await this.writeAll(items.slice(0, half));
    await this.writeAll(items.slice(half));
  }

  /** Writes until that is done, or until it is given up. @returns whether the database refused what was written */
  private async isRefused(items: readonly T[], write: (items: readonly T[]) => Promise<void>): Promise<boolean> {
    const { name, logger } = this.options;
    for (let attempt = 1; ; attempt++) {
      try {
        await write(items);
        return false;
      } catch (error) {
        if (isRefusal(error)) {
          if (items.length === 1) logger.error({ err: error, batch: name }, 'batch.item_refused');
          return true;
        }
        if (this.aborter.signal.aborted) {
          logger.warn({ err: error, batch: name, items: items.length }, 'batch.given_up');
          return false;
        }
        logger.warn({ err: error, batch: name, attempt }, 'batch.retried');
        await waitBackoff(attempt, BACKOFF, this.aborter.signal);
      }
    }
  }
}

/** Whether the database refuses the data itself (SQLSTATE classes 22 and 23): trying again cannot help. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && /^2[23][0-9A-Z]{3}$/.test(error.code);
}
