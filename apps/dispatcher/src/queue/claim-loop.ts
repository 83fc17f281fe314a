import { waitBackoff, type Logger } from '#runtime';
import {
  claimDue,
  findOrphanLanes,
  nextDueIn,
  release,
  rehome,
  type Claimed,
  type Lease,
  type Pool,
} from './queue.repository.js';

export interface ClaimLoopOptions {
  readonly pool: Pool;
  readonly lease: Lease;
  readonly logger: Logger;
  /** How many more deliveries may be leased. */
  readonly room: () => number;
  readonly onClaimed: (claimed: Claimed) => void;
  /** Lanes that a crash left without a head. */
  readonly onOrphans: (lanes: readonly string[]) => void;
}

const MAX_CLAIM = 1000;
/** Other instances' rows are looked for at least this often, in milliseconds. */
const POLL_MS = 500;
/** Shortest pause, in milliseconds, so that rows that others hold are not asked for in a tight loop. */
const MIN_PAUSE_MS = 10;
const NO_ROOM_PAUSE_MS = 50;
const SWEEP_MS = 5000;
const SWEEP_LANES = 5000;
const BACKOFF = { firstMs: 100, maxMs: 5000 };
/** Before the smallest lane there is. */
const FIRST_LANE = '-9223372036854775808';
/** Rows that are in the lane of a url their agent event no longer has stay put for this long while they are moved, in ms. */
const MOVE_MS = 250;

/** Finds what is due: sleeps until the next known moment, is woken when an earlier one becomes known, and polls for the rest. */
export class ClaimLoop {
  private readonly aborter = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private wakeAt = Infinity;
  private sleeper: { readonly timer: NodeJS.Timeout; readonly wake: () => void } | undefined;
  private sweepAfter = FIRST_LANE;
  private sweptAt = -Infinity;

  constructor(private readonly options: ClaimLoopOptions) {}

  start(): void {
    this.running = this.loop();
  }

  /** Something will be due after this delay, in milliseconds. */
  wakeIn(delayMs: number): void {
    const at = performance.now() + delayMs;
    if (at >= this.wakeAt) return;
    this.wakeAt = at;
    this.sleeper?.wake();
  }

  /** Claims nothing more. */
  async stop(): Promise<void> {
    this.aborter.abort();
    this.sleeper?.wake();
    await this.running;
  }

  /** Has rows that are in the wrong lane move, so that they keep their order with those of their url. */
  async moveStrayed({ strayed }: Claimed): Promise<void> {
    const { pool, lease } = this.options;
    await release(
      pool,
      strayed.map((job) => ({ ...job, delayMs: MOVE_MS })),
      lease.owner,
    );
    for (const agentEventId of new Set(strayed.map((job) => job.agentEventId))) await rehome(pool, agentEventId);
  }

  private async loop(): Promise<void> {
    const { signal } = this.aborter;
    for (let failures = 0; !signal.aborted;) {
      try {
        const pause = await this.turn();
        failures = 0;
        await this.sleep(pause);
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.options.logger.warn({ err: error, attempt: failures }, 'queue.claim_failed');
        await waitBackoff(failures, BACKOFF, signal);
      }
    }
  }

  /** @returns milliseconds until the next turn */
  private async turn(): Promise<number> {
    const { pool, lease, room, onClaimed } = this.options;
    this.wakeAt = Infinity;
    if (performance.now() - this.sweptAt > SWEEP_MS) await this.sweep();
    const limit = Math.min(room(), MAX_CLAIM);
    if (limit === 0) return NO_ROOM_PAUSE_MS;
    const claimed = await claimDue(pool, limit, lease);
    onClaimed(claimed);
    if (claimed.strayed.length > 0) await this.moveStrayed(claimed);
    return Math.min(POLL_MS, Math.max(MIN_PAUSE_MS, (await nextDueIn(pool)) ?? POLL_MS));
  }

  private async sweep(): Promise<void> {
    const { orphans, next } = await findOrphanLanes(this.options.pool, this.sweepAfter, SWEEP_LANES);
    this.sweepAfter = next ?? FIRST_LANE;
    this.sweptAt = performance.now();
    if (orphans.length > 0) this.options.onOrphans(orphans);
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(this.sleeper?.timer);
        this.sleeper = undefined;
        resolve();
      };
      const arm = (delay: number): NodeJS.Timeout => setTimeout(end, Math.max(0, Math.ceil(delay)));
      const until = performance.now() + ms;
      this.sleeper = {
        timer: arm(Math.min(until, this.wakeAt) - performance.now()),
        wake: () => {
          clearTimeout(this.sleeper?.timer);
          if (this.aborter.signal.aborted) end();
          else this.sleeper = { ...this.sleeper!, timer: arm(Math.min(until, this.wakeAt) - performance.now()) };
        },
      };
    });
  }
}
