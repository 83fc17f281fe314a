import type { Pool } from '#database';
import { Loop, type Logger } from '#runtime';
import type { PresenceMetrics } from '../metrics.js';
import { announceInstance, leaseShards, releaseShards, removeInstance } from './relay-lease.repository.js';

/** How many shards the outbox has: `presence.shard_of`. */
export const SHARDS = 16;

export interface LeaseTimes {
  /** A lease holds this long, in milliseconds; what a killed instance held stands still for so long. */
  readonly leaseMs: number;
  /** Time between renewals, in milliseconds. */
  readonly renewMs: number;
}

export const DEFAULT_LEASE_TIMES: LeaseTimes = { leaseMs: 8000, renewMs: 2000 };

/** After a renewal that failed: the lease outlasts several. */
const BACKOFF = { firstMs: 250, maxMs: 2000 };

/** The part of a lease that is not used, since nobody can tell how long the answer to the renewal took. */
const SAFETY = 0.2;

export interface RelayLeasesOptions {
  readonly pool: Pool;
  /** UUID of this instance, never used before. */
  readonly instance: string;
  readonly times: LeaseTimes;
  readonly metrics: PresenceMetrics;
  readonly logger: Logger;
  /** The shards that this instance may publish have changed, or may have been another's for a while. */
  readonly onChange: () => void;
}

/** Which shards of the outbox this instance publishes: a fair share of them, leased, so that a shard has one publisher at a time. */
export class RelayLeases {
  private held: readonly number[] = [];
  /** Held beyond the fair share: no longer used, and given back as soon as nothing of them is on its way. */
  private surplus: readonly number[] = [];
  private heldUntil = 0;
  private readonly loop: Loop;
  /** The last of the renewals and releases: one at a time, or a renewal could count on a shard that is being given back. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: RelayLeasesOptions) {
    const { renewMs } = options.times;
    this.loop = new Loop({
      step: () => this.inTurn(() => this.renew()).then(() => renewMs),
      onError: (error) => {
        options.logger.warn({ err: error }, 'relay.lease_failed');
        options.metrics.setShards(this.shards().length); // what is not renewed ends
      },
      backoff: BACKOFF,
    });
  }

  start(): void {
    this.loop.start();
  }

  /** Renews the leases at once: another instance has come or gone, or has released shards. */
  renewSoon(): void {
    this.loop.wake();
  }

  /** Lists the shards that may be published now; none once the leases ran out, as they do when the database is away. */
  shards(): readonly number[] {
    return performance.now() < this.heldUntil ? this.held : [];
  }

  /**
   * Releases the shards beyond the fair share. To be called while nothing is on its way.
   *
   * @param finish what has to be done before, while the shards are still ours
   */
  async settle(finish: () => Promise<void>): Promise<void> {
    if (this.surplus.length === 0) return;
    await finish();
    await this.inTurn(async () => {
      const released = this.surplus;
      await releaseShards(this.options.pool, this.options.instance, released);
      this.surplus = [];
      this.options.logger.info({ released, held: this.held }, 'relay.shards_released');
    });
  }

  /**
   * Stops renewing and releases everything, so that the others take over at once.
   *
   * @param settled nothing is on its way any more; otherwise the leases are left to expire
   */
  async stop(settled: boolean): Promise<void> {
    await this.loop.stop();
    this.held = [];
    this.options.metrics.setShards(0);
    if (!settled) return;
    try {
      await removeInstance(this.options.pool, this.options.instance);
    } catch (error) {
      this.options.logger.warn({ err: error }, 'relay.release_failed'); // the leases expire by themselves
    }
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.turn.then(work);
    this.turn = done.catch(() => undefined); // the caller has the error; the next one's turn comes all the same
    return done;
  }

  private async renew(): Promise<void> {
    const { pool, instance, times, metrics, logger, onChange } = this.options;
    // Our clock is read before the request leaves, the database's after it came: ours always ends first.
    const askedAt = performance.now();
    const live = await announceInstance(pool, instance, times.leaseMs);
    const share = Math.ceil(SHARDS / live);
    const leased = await leaseShards(pool, instance, times.leaseMs, share);
    const held = leased.slice(0, share);
    const lapsed = performance.now() >= this.heldUntil;
    const changed = held.join() !== this.held.join();
    this.held = held;
    this.surplus = leased.slice(share);
    this.heldUntil = askedAt + times.leaseMs * (1 - SAFETY);
    metrics.setShards(held.length);
    if (!changed && !lapsed && this.surplus.length === 0) return;
    if (changed) logger.info({ held, instances: live }, 'relay.shards_held');
    onChange();
  }
}
