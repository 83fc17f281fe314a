import { setTimeout as delay } from 'node:timers/promises';
import type { AgentKey } from '#contracts';
import type { Pool } from '#database';
import { retry, type Logger } from '#runtime';
import { carryOver, hasLiveLeases, lockCarryOver, unlockCarryOver } from './carry-over.repository.js';

const PAGE = 1000;
/** How often an older dispatcher, or another instance that carries over, is looked for, in milliseconds. */
const LOOK_MS = 500;
const BACKOFF = { firstMs: 100, maxMs: 5000 };
const OLDER = 'an older dispatcher is still running: stop it first';

export interface CarryOverOptions {
  readonly pool: Pool;
  readonly hashOf: (agent: AgentKey) => number;
  readonly logger: Logger;
}

/**
 * Carries the rows over that dispatchers before the second design have left in their queue. Nothing else is begun before that is
 * done, by whichever instance, since what is behind is sent in order with them; and not while an older dispatcher has some in hand,
 * for it knows nothing of leases of shards.
 */
export class CarryOver {
  private readonly aborter = new AbortController();
  private obstacle: string | undefined = 'the queue of the version before is being carried over';

  constructor(private readonly options: CarryOverOptions) {}

  private running: Promise<void> = Promise.resolve();

  /**
   * Resolves when nothing is left to be carried over.
   *
   * @throws Error when it is stopped before
   */
  run(): Promise<void> {
    const running = this.carry();
    this.running = running.catch(() => undefined);
    return running;
  }

  /** Begins nothing more, and waits for the rows in hand; what is left is carried over at the next start. */
  stop(): Promise<void> {
    this.aborter.abort();
    return this.running;
  }

  private async carry(): Promise<void> {
    const { signal } = this.aborter;
    const attempt = (): Promise<boolean> =>
      retry(() => this.attempt(), {
        backoff: BACKOFF,
        signal,
        onFailure: (error, failures) => this.options.logger.warn({ err: error, attempt: failures }, 'queue.carry_over_failed'),
      });
    while (!(await attempt())) await delay(LOOK_MS, undefined, { signal });
    this.obstacle = undefined;
  }

  /** @throws Error that says what is waited for, while it is not done */
  assertDone(): void {
    if (this.obstacle !== undefined) throw new Error(this.obstacle);
  }

  /** @returns whether it is done */
  private async attempt(): Promise<boolean> {
    const { pool, hashOf, logger } = this.options;
    this.aborter.signal.throwIfAborted();
    if (await hasLiveLeases(pool)) {
      if (this.obstacle !== OLDER) logger.warn({ reason: OLDER }, 'queue.not_carried_over');
      this.obstacle = OLDER;
      return false;
    }
    const client = await lockCarryOver(pool);
    if (!client) return false;
    try {
      let moved = 0;
      for (let more = PAGE; more > 0; moved += more) {
        this.aborter.signal.throwIfAborted();
        more = await carryOver(client, hashOf, PAGE);
      }
      if (moved > 0) logger.info({ rows: moved }, 'queue.carried_over');
      return true;
    } finally {
      await unlockCarryOver(client);
    }
  }
}
