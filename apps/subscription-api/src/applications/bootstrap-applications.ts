import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { Applications } from '#applications';
import type { Logger, ServiceSettings } from '#runtime';
import { LOGGER, SETTINGS } from '../tokens.js';

/** Makes the applications of BOOTSTRAP_APPS that are missing; those that are there are left as they are: contract §8. */
@Injectable()
export class BootstrapApplications implements OnModuleInit {
  constructor(
    private readonly applications: Applications,
    @Inject(SETTINGS) private readonly settings: Pick<ServiceSettings, 'BOOTSTRAP_APPS'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    for (const { secret, ...application } of this.settings.BOOTSTRAP_APPS ?? []) {
      if (await this.applications.ensure(application, secret)) this.logger.info(application, 'application.registered');
    }
  }
}
