import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Logger, ServiceSettings } from '#runtime';
import { LOGGER, SETTINGS } from '../tokens.js';
import { WebhookSecrets } from '../webhook-secrets/webhook-secrets.js';
import { ApplicationRepository } from './application.repository.js';
import { hashSecret } from './secret-hash.js';

/** Makes the applications of BOOTSTRAP_APPS that are missing; those that are there are left as they are: contract §8. */
@Injectable()
export class BootstrapApplications implements OnModuleInit {
  constructor(
    private readonly applications: ApplicationRepository,
    private readonly webhookSecrets: WebhookSecrets,
    @Inject(SETTINGS) private readonly settings: Pick<ServiceSettings, 'BOOTSTRAP_APPS'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    for (const { app_id: appId, secret, client_id: clientId, access } of this.settings.BOOTSTRAP_APPS ?? []) {
      if (await this.applications.findByAppId(appId)) continue;
      const added = await this.applications.addIfMissing({ appId, clientId, access, secretHash: await hashSecret(secret) });
      await this.webhookSecrets.ensure(clientId);
      if (added) this.logger.info({ app_id: appId, client_id: clientId, access }, 'application.added');
    }
  }
}
