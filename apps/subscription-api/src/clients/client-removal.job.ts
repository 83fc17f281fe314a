import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ClientRemovalRepository } from '#applications';
import { PeriodicWork, type Logger } from '#runtime';
import { LOGGER } from '../core.module.js';

/** How often it is looked whether there is something to do, in milliseconds. */
const LOOK_MS = 5000;
/** Between two steps, in milliseconds: others have their turn. */
const STEP_MS = 25;
const LATE_ADDITIONS_MS = 5000;
const CLEAN_UP_MS = 3_600_000;
/** How long it is known that a client was removed, in milliseconds. */
const KEPT_MS = 90 * 86_400_000;

/** Goes on with the removal of clients: docs/applications.md. Any instance does. */
@Injectable()
export class ClientRemovalJob implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly steps: PeriodicWork;
  /** A long removal does not hold it up. */
  private readonly cleanUp: PeriodicWork;
  private isStopping = false;

  constructor(
    private readonly removals: ClientRemovalRepository,
    @Inject(LOGGER) logger: Logger,
  ) {
    // A step is a transaction: the next run begins where the last whole one ended.
    const onError = (error: unknown): void => logger.warn({ err: error }, 'client.removal_failed');
    this.steps = new PeriodicWork(onError);
    this.cleanUp = new PeriodicWork(onError);
  }

  onApplicationBootstrap(): void {
    this.steps.every(LOOK_MS, () => this.run());
    this.cleanUp.every(LATE_ADDITIONS_MS, () => this.removals.deleteLateAdditions());
    this.cleanUp.every(CLEAN_UP_MS, () => this.removals.forgetFinished(KEPT_MS));
  }

  async onModuleDestroy(): Promise<void> {
    this.isStopping = true;
    await Promise.all([this.steps.stop(), this.cleanUp.stop()]);
  }

  private async run(): Promise<void> {
    if (!(await this.removals.isDue())) return;
    while (!this.isStopping && (await this.removals.step())) await delay(STEP_MS);
  }
}
