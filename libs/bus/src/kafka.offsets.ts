import type { TopicOffsets } from 'kafkajs';
import type { Logger } from '#runtime';

/**
 * Offsets are committed this long after a handler resolved, in milliseconds, all partitions' in one request: a commit costs
 * the broker as much as a record does. A crash repeats that much more.
 */
const COMMIT_DELAY_MS = 100;
/** Until a commit that failed is tried again, in milliseconds. */
const RECOMMIT_MS = 500;

export type CommitOffsets = (topics: TopicOffsets[]) => Promise<void>;

/** An offset to commit, and the function that does it. */
export interface OffsetToCommit {
  readonly topic: string;
  readonly partition: number;
  /** The next one to be consumed. */
  readonly offset: string;
  readonly commit: CommitOffsets;
}

/** The offsets of one assignment that are not committed yet. */
export class Offsets {
  private readonly uncommitted = new Map<string, OffsetToCommit>();
  private committing: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;

  /** @param onFailure called with why a commit failed. @returns whether it is tried again */
  constructor(
    private readonly fields: { readonly group_id: string },
    private readonly logger: Logger,
    private readonly onFailure: (error: unknown) => boolean,
  ) {}

  /** Commits an offset soon, in place of an earlier one of the same partition. */
  add(offset: OffsetToCommit): void {
    this.uncommitted.set(`${offset.topic}[${offset.partition}]`, offset);
    if (!this.isStopped) this.timer ??= setTimeout(() => void this.commit(), COMMIT_DELAY_MS);
  }

  /** Commits all pending offsets now; what fails is tried again later. Never throws. */
  async commit(): Promise<void> {
    await this.committing;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.committing = this.commitPending();
    await this.committing;
    this.committing = undefined;
  }

  /** Drops the pending offsets: the partitions are another's. */
  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
    this.uncommitted.clear();
  }

  private async commitPending(): Promise<void> {
    const pending = [...this.uncommitted];
    this.uncommitted.clear();
    const [first] = pending;
    if (!first) return;
    const topics = pending.map(([, { topic, partition, offset }]) => ({ topic, partitions: [{ partition, offset }] }));
    try {
      await first[1].commit(topics);
    } catch (error) {
      // A rebalance that has begun, or has passed us by, is found by the next heartbeat, which ends the assignment.
      this.logger.info({ err: error, ...this.fields, topics }, 'bus.commit_failed');
      if (!this.onFailure(error) || this.isStopped) return;
      for (const [id, offset] of pending) if (!this.uncommitted.has(id)) this.uncommitted.set(id, offset);
      this.timer ??= setTimeout(() => void this.commit(), RECOMMIT_MS);
    }
  }
}
