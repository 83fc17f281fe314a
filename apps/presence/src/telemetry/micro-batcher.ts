/** Something that waits to be part of a batch. */
export interface BatchJob {
  /** Whose it is. Jobs of one owner are begun in the order in which they came; owners take turns. */
  readonly owner: number | string;
  /** How much of a batch it takes up. A job is never divided. */
  readonly size: number;
}

export interface MicroBatcherLimits {
  /** Most of a batch; a larger job is a batch of its own. */
  readonly maxSize: number;
  /** Batches at the same time. */
  readonly maxInFlight: number;
  /** Of these, batches with jobs of any one owner. */
  readonly maxInFlightOfOwner: number;
  /** What may wait of all owners together: see {@link MicroBatcher.hasRoomFor}. */
  readonly maxWaiting: number;
}

interface Waiting<J> {
  readonly job: J;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** What is known of an owner while anything of it waits or is in flight. */
interface Owner<J> {
  readonly waiting: Waiting<J>[];
  /** Of these, the first so many have been taken: to shift each out would move all behind it. */
  taken: number;
  waitingSize: number;
  inFlight: number;
}

/**
 * Group commit: what comes while a batch is on its way forms the next one. A lone job is not kept waiting, and under load
 * the cost of a statement is shared by all that came meanwhile. Owners take turns, a job each, so that what one has waiting is
 * in nobody's way but its own.
 */
export class MicroBatcher<J extends BatchJob> {
  /** In the order of their turns. */
  private readonly owners = new Map<J['owner'], Owner<J>>();
  private waitingSize = 0;
  private inFlight = 0;
  private scheduled = false;
  private whenIdle: (() => void)[] = [];

  /** @param run settles when the whole batch has; its error is every job's */
  constructor(
    private readonly run: (jobs: readonly J[]) => Promise<void>,
    private readonly limits: MicroBatcherLimits,
  ) {}

  /** Returns the size of all jobs that are in no batch yet. */
  get waiting(): number {
    return this.waitingSize;
  }

  /** Returns the size of an owner's jobs that are in no batch yet. */
  backlogOf(owner: J['owner']): number {
    return this.owners.get(owner)?.waitingSize ?? 0;
  }

  /**
   * Tells whether that much more of an owner may wait: an owner gets no more of the room than it leaves free (a dynamic threshold, as
   * in the buffers of switches). One that floods fills half of it, two a third each; there is always room for the next.
   */
  hasRoomFor(owner: J['owner'], size: number): boolean {
    return this.backlogOf(owner) + size <= this.limits.maxWaiting - this.waitingSize;
  }

  /** Settles as the batch does that the job becomes part of. Bounds nothing: ask {@link hasRoomFor} first. */
  add(job: J): Promise<void> {
    return new Promise((resolve, reject) => {
      let owner = this.owners.get(job.owner);
      if (!owner) this.owners.set(job.owner, (owner = { waiting: [], taken: 0, waitingSize: 0, inFlight: 0 }));
      owner.waiting.push({ job, resolve, reject });
      owner.waitingSize += job.size;
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
    if (this.owners.size === 0) return;
    await new Promise<void>((resolve) => this.whenIdle.push(resolve));
  }

  private start(): void {
    while (this.inFlight < this.limits.maxInFlight) {
      const batch = this.take();
      if (batch.length === 0) return;
      void this.runBatch(batch);
    }
  }

  /** A job of each owner in turn, until the batch is full or nobody has one. */
  private take(): Waiting<J>[] {
    const batch: Waiting<J>[] = [];
    let size = 0;
    let turns = [...this.owners].filter(([, { inFlight }]) => inFlight < this.limits.maxInFlightOfOwner);
    while (turns.length > 0) {
      const next: typeof turns = [];
      for (const turn of turns) {
        const [id, owner] = turn;
        const first = owner.waiting[owner.taken];
        if (!first) continue;
        if (size > 0 && size + first.job.size > this.limits.maxSize) return batch;
        size += first.job.size;
        batch.push(first);
        this.remove(owner, first.job.size);
        // To the end of the turns, for the next batch too.
        this.owners.delete(id);
        this.owners.set(id, owner);
        next.push(turn);
      }
      turns = next;
    }
    return batch;
  }

  private remove(owner: Owner<J>, size: number): void {
    owner.taken += 1;
    owner.waitingSize -= size;
    this.waitingSize -= size;
    if (owner.taken * 2 < owner.waiting.length) return;
    owner.waiting.splice(0, owner.taken);
    owner.taken = 0;
  }

  private async runBatch(batch: readonly Waiting<J>[]): Promise<void> {
    const owners = new Set(batch.map(({ job }) => job.owner));
    this.inFlight += 1;
    for (const owner of owners) this.owners.get(owner)!.inFlight += 1;
    try {
      await this.run(batch.map(({ job }) => job));
      for (const { resolve } of batch) resolve();
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.inFlight -= 1;
      for (const owner of owners) this.release(owner);
      this.start();
      if (this.owners.size === 0) for (const resolve of this.whenIdle.splice(0)) resolve();
    }
  }

  private release(id: J['owner']): void {
    const owner = this.owners.get(id)!;
    owner.inFlight -= 1;
    if (owner.inFlight === 0 && owner.waiting.length === 0) this.owners.delete(id);
  }
}
