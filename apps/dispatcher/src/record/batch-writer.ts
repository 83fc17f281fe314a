import { Coalescer, retry, type Logger } from '#runtime';

const BACKOFF = { firstMs: 50, maxMs: 2000 };

export interface BatchWriterOptions<T> {
  /** For the log. */
  readonly name: string;
  /** Must be safe to repeat: an error may come after the work was done. */
  readonly write: (items: readonly T[]) => Promise<void>;
  /** Handles an item that the database refuses: writing it again cannot help. */
  readonly onRefused: (item: T) => Promise<void>;
  readonly maxSize: number;
  /** Most weight of a batch; a heavier item is a batch of its own. No limit by default. */
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
export class BatchWriter<T> {
  private readonly batches: Coalescer<T, void>;
  private readonly aborter = new AbortController();

  constructor(private readonly options: BatchWriterOptions<T>) {
    const { maxSize, lingerMs } = options;
    this.batches = new Coalescer<T, void>({
      ...options,
      run: (items) => this.writeAll(items),
      maxItems: maxSize,
      linger: (begin) => setTimeout(begin, lingerMs),
    });
  }

  add(item: T): void {
    void this.batches.add(item);
  }

  /** Waits until everything is written; gives up after a time, in milliseconds. */
  async drain(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.aborter.abort(), timeoutMs);
    this.batches.flush();
    await this.batches.idle();
    clearTimeout(timer);
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
    try {
      await retry(() => write(items), {
        backoff: BACKOFF,
        signal: this.aborter.signal,
        onFailure: (error, attempt) => {
          if (isRefusal(error)) throw error;
          logger.warn({ err: error, batch: name, attempt }, 'batch.retried');
        },
      });
      return false;
    } catch (error) {
      const isRefused = isRefusal(error);
      if (!isRefused) logger.warn({ err: error, batch: name, items: items.length }, 'batch.given_up');
      else if (items.length === 1) logger.error({ err: error, batch: name }, 'batch.item_refused');
      return isRefused;
    }
  }
}

/** Whether the database refuses the data itself (SQLSTATE classes 22 and 23): trying again cannot help. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && /^2[23][0-9A-Z]{3}$/.test(error.code);
}
