import { randomUUID } from 'node:crypto';
import type { Pool } from '#database';
import { unlessAborted, within, type Logger } from '#runtime';
import { releaseLeases, shardBase, takeLeases } from './shard-lease.repository.js';

/** What a lease must have left beyond the timeout of an attempt, to break it off and to write what became of it, in milliseconds. */
const MARGIN_MS = 1000;
/** How much longer than an attempt a lease lasts, in milliseconds. */
export const LEASE_BEYOND_TIMEOUT_MS = 8000;
const RENEW_MS = 1500;
/** How often a lease that somebody else has is asked for, in milliseconds. */
const ASK_MS = 150;

/** Lease of a shard, from its taking to its end; all work for the shard's agents refers to it. A later lease of the shard is another object. */
export interface ShardLease {
  readonly shard: number;
  /** Fencing token: raised whenever the lease goes to another owner. */
  readonly epoch: number;
  /** When it ends, in milliseconds of `performance.now()`, read before the request for the lease left. */
  until: number;
  /** Set once nothing may start any more: the shard is being released, or was lost. */
  ending: boolean;
}

export interface ShardLeasesOptions {
  readonly pool: Pool;
  /** Longest that an attempt may take, in milliseconds. */
  readonly timeoutMs: number;
  /** How long a lease lasts, in milliseconds. */
  readonly leaseMs: number;
  readonly logger: Logger;
  /** Called when a shard has become this instance's. */
  readonly onTaken: (lease: ShardLease) => void;
  /** Called when a shard is lost, or to be released: it is released when this resolves, with nothing of it out and all recorded. */
  readonly onEnding: (lease: ShardLease, isLost: boolean) => Promise<void>;
  /** Longest wait for that, in milliseconds; a lease that is not released by then ends by itself. */
  readonly endMs: number;
}

/**
 * Takes, renews and releases leases of shards, which say which instance works for which agents; one row each. They follow the partitions
 * that this instance is assigned, and are released when nothing is out and everything is recorded. The local clock is read before the
 * request for a lease leaves, so a lease always ends here before it ends in the database.
 */
export class ShardLeases {
  /** New at each start. */
  readonly owner = randomUUID();
  private readonly byShard = new Map<number, ShardLease>();
  private readonly ended = new Map<number, Promise<void>>();
  private wanted = new Set<number>();
  private assigned: readonly number[] = [];
  private timer: NodeJS.Timeout | undefined;
  private asking: Promise<void> | undefined;
  private renewedAt = 0;
  private stopped = false;
  private waiting: (() => void)[] = [];
  private revocations = 0;
  /** How many shards there are; 0: not known yet. */
  base = 0;
  private partitions = 0;

  constructor(private readonly options: ShardLeasesOptions) {}

  /** Follows an assignment of partitions, of how many there are. @throws when the database cannot be asked */
  async assign(assigned: readonly number[], partitions: number): Promise<void> {
    if (partitions !== this.partitions) {
      this.partitions = partitions;
      this.base = 0;
    }
    this.assigned = assigned;
    await this.apply();
    this.schedule(0);
  }

  /** Gives the partitions up. @returns when their shards are released */
  async revoke(): Promise<void> {
    this.assigned = [];
    this.wanted = new Set();
    this.revocations += 1;
    this.wake();
    await this.endUnwanted();
  }

  /** Finds the lease of an agent's shard; undefined if it is not this instance's. */
  leaseOf(hash: number): ShardLease | undefined {
    if (this.base === 0) return undefined;
    const lease = this.byShard.get(hash % this.base);
    return lease && !lease.ending ? lease : undefined;
  }

  /** Tells whether a partition belongs to an agent's shard; true while that is not known. */
  isOf(partition: number, hash: number): boolean {
    return this.base === 0 || hash % this.base === partition % this.base;
  }

  holds(hash: number): boolean {
    return this.leaseOf(hash) !== undefined;
  }

  /** Lists the leases under which work may be started. */
  get held(): ShardLease[] {
    return [...this.byShard.values()].filter(({ ending }) => !ending);
  }

  /** Returns the moment after which no attempt may start any more, in milliseconds of `performance.now()`. */
  startBy({ until, ending }: ShardLease): number {
    return ending ? 0 : until - this.options.timeoutMs - MARGIN_MS;
  }

  isCurrent(lease: ShardLease): boolean {
    return this.byShard.get(lease.shard) === lease;
  }

  /**
   * Resolves as soon as the shard of a partition is this instance's.
   *
   * @throws when the signal aborts, and when the partitions are given up first
   */
  async ready(partition: number, signal: AbortSignal): Promise<void> {
    const { revocations } = this;
    while (!this.stopped && (this.base === 0 || !this.holds(partition % this.base))) {
      if (this.revocations !== revocations) throw new Error(`partition ${partition} was given up before its shard was taken`);
      await unlessAborted(new Promise<void>((resolve) => this.waiting.push(resolve)), signal);
    }
    signal.throwIfAborted();
    if (this.stopped) throw new Error('the dispatcher is stopping');
  }

  /** Releases all leases, once nothing is out and everything is recorded. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    this.wake();
    await this.asking;
    await this.revoke();
  }

  private async apply(): Promise<void> {
    if (this.base === 0) {
      // Nobody has a lease by the old number before anybody has one by the new.
      this.wanted = new Set();
      await this.endUnwanted();
      if (this.assigned.length === 0) return;
      const base = await shardBase(this.options.pool, this.partitions);
      if (this.partitions % base !== 0) {
        this.options.logger.warn({ partitions: this.partitions, shards: base }, 'shards.waiting_for_others_to_give_back');
        return;
      }
      this.base = base;
    }
    this.wanted = new Set(this.assigned.map((partition) => partition % this.base));
    await this.endUnwanted();
  }

  private async endUnwanted(): Promise<void> {
    const leaving = [...this.byShard.values()].filter(({ shard, ending }) => !ending && !this.wanted.has(shard));
    for (const lease of leaving) this.end(lease, false);
    await Promise.all(this.ended.values());
  }

  private end(lease: ShardLease, isLost: boolean): void {
    lease.ending = true;
    const { shard } = lease;
    const ended = this.options.onEnding(lease, isLost).then(() => true);
    const ending = within(this.options.endMs, ended, () => false).then(async (isRecorded) => {
      this.byShard.delete(shard);
      if (!isLost && isRecorded) await this.release(shard);
      this.ended.delete(shard);
    });
    this.ended.set(shard, ending);
  }

  private async release(shard: number): Promise<void> {
    try {
      await releaseLeases(this.options.pool, this.owner, [shard]);
    } catch (error) {
      this.options.logger.warn({ err: error, shard }, 'shards.lease_not_given_back'); // it ends by itself
    }
  }

  private schedule(ms: number): void {
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.tick(), ms);
  }

  private async tick(): Promise<void> {
    this.asking = this.ask();
    await this.asking;
    this.asking = undefined;
    const isComplete = this.base > 0 && [...this.wanted].every((shard) => this.byShard.has(shard));
    this.schedule(isComplete || this.assigned.length === 0 ? RENEW_MS : ASK_MS);
  }

  private async ask(): Promise<void> {
    const { pool, leaseMs, logger } = this.options;
    try {
      if (this.base === 0) await this.apply();
      const missing = [...this.wanted].filter((shard) => !this.byShard.has(shard));
      const renew = performance.now() - this.renewedAt >= RENEW_MS - ASK_MS;
      const shards = renew ? [...this.wanted, ...this.byShard.keys()] : missing;
      if (shards.length === 0) return;
      const askedAt = performance.now();
      const leased = await takeLeases(pool, this.owner, this.base, [...new Set(shards)], leaseMs);
      if (renew) this.renewedAt = askedAt;
      this.note(leased, askedAt + leaseMs);
      if (renew) for (const lease of this.held) if (!leased.some(({ shard }) => shard === lease.shard)) this.lose(lease);
    } catch (error) {
      logger.warn({ err: error }, 'shards.leases_not_renewed');
    }
  }

  private note(leased: readonly { readonly shard: number; readonly epoch: number }[], until: number): void {
    for (const { shard, epoch } of leased) {
      const known = this.byShard.get(shard);
      if (known?.epoch === epoch) {
        known.until = until; // with nobody between: what is remembered still holds
        continue;
      }
      if (known) {
        if (!known.ending) this.lose(known);
        continue; // it is taken anew when nothing of the former one is out
      }
      if (!this.wanted.has(shard) || this.stopped) {
        void this.release(shard);
        continue;
      }
      const lease = { shard, epoch, until, ending: false };
      this.byShard.set(shard, lease);
      this.options.logger.info({ shard, epoch }, 'shards.taken');
      this.options.onTaken(lease);
    }
    this.wake();
  }

  private lose(lease: ShardLease): void {
    this.options.logger.warn({ shard: lease.shard, epoch: lease.epoch }, 'shards.lost');
    this.end(lease, true);
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
