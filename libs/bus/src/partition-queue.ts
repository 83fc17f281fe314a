/** A batch that a queue has handed out. */
export interface QueuedBatch<R> {
  readonly records: readonly R[];
  /** Allows the next batch to be handed out while this one is worked on. */
  readonly taken: () => void;
  /** Takes {@link taken} back: the batch failed and is tried again. */
  readonly failed: () => void;
}

export interface PartitionQueueOptions<R> {
  readonly maxBatchRecords: number;
  readonly maxBatchBytes: number;
  /**
   * Bounds of what is held: what waits, and what was handed out from the first batch on that is not done. What is done behind that
   * one counts in records, since all of it would come again after a crash, but not in bytes.
   */
  readonly maxHeldRecords: number;
  readonly maxHeldBytes: number;
  readonly sizeOf: (record: R) => number;
  /** Works on a batch until it is done. @returns whether it is; never rejects */
  readonly deliver: (batch: QueuedBatch<R>) => Promise<boolean>;
  /** Called for the first time that a batch is taken, at the latest when it is done. */
  readonly onAccepted?: (records: readonly R[]) => void;
  /**
   * Called when a batch is done.
   *
   * @param upTo the last record before which, it included, everything that was ever handed out is done; undefined where that is what
   *   it was before
   */
  readonly onDone: (records: readonly R[], upTo: R | undefined) => void;
  /** Called when there is room again after {@link PartitionQueue.push} said that there was none. */
  readonly onRoom?: () => void;
}

/** A batch that was handed out. */
interface Part<R> {
  /** None once it is done, which needs no memory. */
  records: readonly R[];
  readonly count: number;
  readonly last: R;
  readonly bytes: number;
  /** Holds back the next one. */
  blocks: boolean;
  isAccepted: boolean;
  isDone: boolean;
}

/**
 * Queue of one partition's records in a consumer: those that wait, and batches that are out. A batch is handed out when the one before it
 * is taken or done, and there is room. No I/O.
 */
export class PartitionQueue<R> {
  private waiting: R[] = [];
  /** In the order handed out, from the first that is not done. */
  private readonly out: Part<R>[] = [];
  private readonly working = new Set<Promise<void>>();
  private blockers = 0;
  private heldBytes = 0;
  private outRecords = 0;
  private outBytes = 0;
  private isOpen = true;
  private wasFull = false;

  /** @param after nothing is handed out before this has settled */
  constructor(
    private readonly options: PartitionQueueOptions<R>,
    after?: Promise<unknown>,
  ) {
    if (!after) return;
    this.blockers = 1;
    void after.finally(() => {
      this.blockers -= 1;
      this.pump();
    });
  }

  /** @returns whether there is room for more; if not, {@link PartitionQueueOptions.onRoom} is called when there is */
  push(records: readonly R[]): boolean {
    for (const record of records) {
      this.waiting.push(record);
      this.heldBytes += this.options.sizeOf(record);
    }
    this.pump();
    const { maxHeldRecords, maxHeldBytes } = this.options;
    this.wasFull ||= this.waiting.length + this.outRecords >= maxHeldRecords || this.heldBytes >= maxHeldBytes;
    return !this.wasFull;
  }

  /** Hands nothing out any more. */
  close(): void {
    this.isOpen = false;
  }

  /** Resolves when everything that is out has come to its end. */
  async settled(): Promise<void> {
    while (this.working.size > 0) await Promise.all(this.working);
  }

  /** Lists the records that are not done, in order, for the next owner. Only for a queue that is closed and settled. */
  leftOver(): R[] {
    return [...this.out.flatMap(({ records }) => records), ...this.waiting];
  }

  private pump(): void {
    const { maxHeldRecords, maxHeldBytes } = this.options;
    while (
      this.isOpen &&
      this.blockers === 0 &&
      this.waiting.length > 0 &&
      this.outRecords < maxHeldRecords &&
      this.outBytes < maxHeldBytes
    ) {
      const work = this.work(this.next());
      this.working.add(work);
      void work.finally(() => this.working.delete(work));
    }
  }

  /** Takes as many as one batch may have; at least one, however large. */
  private next(): Part<R> {
    const { maxBatchRecords, maxBatchBytes, sizeOf } = this.options;
    let bytes = 0;
    let count = 0;
    for (; count < this.waiting.length && count < maxBatchRecords; count++) {
      const size = sizeOf(this.waiting[count]!);
      if (count > 0 && bytes + size > maxBatchBytes) break;
      bytes += size;
    }
    const records = this.waiting.splice(0, count);
    return { records, count, last: records.at(-1)!, bytes, blocks: false, isAccepted: false, isDone: false };
  }

  private async work(part: Part<R>): Promise<void> {
    const { records, count, bytes } = part;
    this.out.push(part);
    this.outRecords += count;
    this.outBytes += bytes;
    this.block(part);
    const isDone = await this.options.deliver({
      records,
      taken: () => {
        this.accept(part);
        this.unblock(part);
      },
      failed: () => this.block(part),
    });
    if (isDone) this.finish(part);
    else this.isOpen = false; // given up, and nothing may come before its repetition
    this.unblock(part);
  }

  private finish(part: Part<R>): void {
    const { records, bytes } = part;
    this.accept(part);
    part.isDone = true;
    part.records = [];
    this.outBytes -= bytes;
    this.heldBytes -= bytes;
    let upTo: R | undefined;
    while (this.out[0]?.isDone) {
      const { last, count } = this.out.shift()!;
      upTo = last;
      this.outRecords -= count;
    }
    this.options.onDone(records, upTo);
    this.tellOfRoom();
    queueMicrotask(() => this.pump());
  }

  private accept(part: Part<R>): void {
    if (part.isAccepted) return;
    part.isAccepted = true;
    this.options.onAccepted?.(part.records);
  }

  private block(part: Part<R>): void {
    if (part.blocks) return;
    part.blocks = true;
    this.blockers += 1;
  }

  private unblock(part: Part<R>): void {
    if (!part.blocks) return;
    part.blocks = false;
    this.blockers -= 1;
    queueMicrotask(() => this.pump()); // not within the handler's call, or the stack would grow with what waits
  }

  private tellOfRoom(): void {
    const { maxHeldRecords, maxHeldBytes, onRoom } = this.options;
    const isHalfEmpty = (this.waiting.length + this.outRecords) * 2 <= maxHeldRecords && this.heldBytes * 2 <= maxHeldBytes;
    if (!this.wasFull || !isHalfEmpty) return;
    this.wasFull = false;
    onRoom?.();
  }
}
