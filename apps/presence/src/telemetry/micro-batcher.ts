/** Something that waits to be part of a batch. */
export interface BatchJob {
  /** How much of a batch it takes up. A job is never divided. */
  readonly size: number;
}

interface Waiting<J> {
  readonly job: J;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Group commit: what comes while a batch is on its way forms the next one. A lone job is not kept waiting, and under load
 * the cost of a statement is shared by all that came meanwhile.
 */
export class MicroBatcher<J extends BatchJob> {
  private waiting: Waiting<J>[] = [];
  private waitingSize = 0;
  private inFlight = 0;
  private scheduled = false;
  private whenIdle: (() => void)[] = [];

  /**
   * @param run settles when the whole batch has; its error is every job's
   * @param maxSize of a batch; a larger job is a batch of its own
   * @param maxInFlight batches at the same time
   */
  constructor(
    private readonly run: (jobs: readonly J[]) => Promise<void>,
    private readonly maxSize: number,
    private readonly maxInFlight: number,
  ) {}

  /** The size of all jobs that are in no batch yet. */
  get backlog(): number {
    return this.waitingSize;
  }

  /** Settles as the batch does that the job becomes part of. */
  add(job: J): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ job, resolve, reject });
      this.waitingSize += job.size;
      if (this.scheduled) return;
      // After what else arrived on the sockets at this moment has been read: it then shares the statement.
      this.scheduled = true;
      setImmediate(() => {
        this.scheduled = false;
        this.start();
      });
    });
  }

  /** Resolves when nothing waits and nothing is in flight. */
  async idle(): Promise<void> {
    if (this.inFlight === 0 && this.waiting.length === 0) return;
    await new Promise<void>((resolve) => this.whenIdle.push(resolve));
  }

  private start(): void {
    while (this.inFlight < this.maxInFlight && this.waiting.length > 0) void this.runBatch(this.take());
  }

  private take(): Waiting<J>[] {
    let size = this.waiting[0]!.job.size;
    let count = 1;
    for (; count < this.waiting.length; count++) {
      const next = this.waiting[count]!.job.size;
      if (size + next > this.maxSize) break;
      size += next;
    }
    this.waitingSize -= size;
    return this.waiting.splice(0, count);
  }

  private async runBatch(batch: readonly Waiting<J>[]): Promise<void> {
    this.inFlight += 1;
    try {
      await this.run(batch.map(({ job }) => job));
      for (const { resolve } of batch) resolve();
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.inFlight -= 1;
      this.start();
      if (this.inFlight === 0 && this.waiting.length === 0) for (const resolve of this.whenIdle.splice(0)) resolve();
    }
  }
}
