import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ClientRemovalRepository } from '#applications';
import { PeriodicWork, type Logger } from '#runtime';
import { LOGGER } from '../tokens.js';

const INTERVAL_MS = 500;
/** Steps in one turn. */
const STEPS = 20;
const LATE_ADDITIONS_MS = 5000;
const CLEAN_UP_MS = 3_600_000;
/** How long it is known that a client was removed, in milliseconds. */
const KEPT_MS = 90 * 86_400_000;

/** Goes on with the removal of clients: contract §3. Any instance does. */
@Injectable()
export class ClientRemovalJob implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly work: PeriodicWork;

  constructor(
    private readonly removals: ClientRemovalRepository,
    @Inject(LOGGER) logger: Logger,
  ) {
    // A step is a transaction: the next run begins where the last whole one ended.
    this.work = new PeriodicWork((error) => logger.warn({ err: error }, 'client.removal_failed'));
  }

  onApplicationBootstrap(): void {
    this.work.every(INTERVAL_MS, () => this.run());
    this.work.every(LATE_ADDITIONS_MS, () => this.removals.deleteLateAdditions());
    this.work.every(CLEAN_UP_MS, () => this.removals.forgetFinished(KEPT_MS));
  }

  onModuleDestroy(): Promise<void> {
    return this.work.stop();
  }

  private async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) if (!(await this.removals.step())) return;
  }
}
