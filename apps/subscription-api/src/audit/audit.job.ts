import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { AuditRepository } from '#applications';
import { PeriodicWork, type Logger } from '#runtime';
import { LOGGER } from '../core.module.js';

const INTERVAL_MS = 600_000;
/** How long it is known who changed what, in milliseconds. */
const KEPT_MS = 90 * 86_400_000;
const ENTRIES = 1000;

/** Deletes old entries of the audit log. */
@Injectable()
export class AuditJob implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly work: PeriodicWork;

  constructor(
    private readonly audit: AuditRepository,
    @Inject(LOGGER) logger: Logger,
  ) {
    // The next run takes what this one left.
    this.work = new PeriodicWork((error) => logger.warn({ err: error }, 'audit.cleanup_failed'));
  }

  onApplicationBootstrap(): void {
    this.work.every(INTERVAL_MS, async () => {
      while ((await this.audit.forget(KEPT_MS, ENTRIES)) === ENTRIES);
    });
  }

  onModuleDestroy(): Promise<void> {
    return this.work.stop();
  }
}
