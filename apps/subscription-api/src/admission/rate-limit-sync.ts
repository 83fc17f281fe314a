import { randomUUID } from 'node:crypto';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { Logger } from '#runtime';
import { LOGGER, TIMES, type ServiceTimes } from '../core.module.js';
import { RATE_LIMITER, type RateLimiter } from './rate-limiter.js';
import { RequestCountRepository } from './request-count.repository.js';

/**
 * Shares request counts between instances, so that the rate limit holds over all of them. It does so in the background: no
 * request waits for it. A request is known everywhere after two syncs at most (the one that writes it, and the other instance's
 * next one that reads it), so a limit is overshot by no more than what the other instances let through in about one second. While
 * the database is away each instance counts for itself.
 */
@Injectable()
export class RateLimitSync implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly instanceId = randomUUID();
  private window = Number.NEGATIVE_INFINITY;
  private written = new Map<number, number>();
  private failing = false;
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  /** @param limiter null: there is no limit, and nothing to tell */
  constructor(
    @Inject(RATE_LIMITER) private readonly limiter: RateLimiter | null,
    private readonly repository: RequestCountRepository,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(TIMES) private readonly times: Pick<ServiceTimes, 'rateLimitSyncMs'>,
  ) {}

  onApplicationBootstrap(): void {
    if (this.limiter) this.schedule();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  /**
   * Writes the counts that changed and reads the sums of the others; deletes old windows when a new one began. Never
   * rejects: an outage of the database is logged once, and the next sync writes everything again.
   */
  async sync(now = Date.now()): Promise<void> {
    if (!this.limiter) return;
    const { window, counts } = this.limiter.snapshot(now);
    const isNew = window !== this.window;
    if (isNew) this.written = new Map();
    const changed = new Map([...counts].filter(([id, requests]) => this.written.get(id) !== requests));
    try {
      this.limiter.learn(window, await this.repository.exchange(this.instanceId, window, changed));
      for (const [id, requests] of changed) this.written.set(id, requests);
      // The window before this one may still be current by the clock of another instance.
      if (isNew) await this.repository.deleteBefore(window - this.limiter.limit.windowMs);
      this.window = window;
      if (this.failing) this.logger.info('rate_limit.shared_again');
      this.failing = false;
    } catch (error) {
      this.written = new Map();
      if (!this.failing) this.logger.warn({ err: error }, 'rate_limit.not_shared');
      this.failing = true;
    }
  }

  private schedule(): void {
    this.timer = setTimeout(() => {
      this.running = this.sync().then(() => {
        if (!this.stopped) this.schedule();
      });
    }, this.times.rateLimitSyncMs).unref();
  }
}
