import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Applications, makeSecret, type ApplicationRepository } from '#applications';
import type { RegisterExternalApplication } from '#auth';
import type { Logger, ServiceSettings } from '#runtime';
import { LOGGER, SETTINGS } from '../core.module.js';
import { CredentialVerifier } from '../tokens/tokens.module.js';

/**
 * Makes the applications of BOOTSTRAP_APPS that are missing; those that are there are left as they are: contract §8. Their
 * secrets are checked once, so that no flood of wrong ones stands before the first right one.
 */
@Injectable()
export class BootstrapApplications implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  private checking: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly applications: Applications,
    private readonly credentials: CredentialVerifier,
    @Inject(SETTINGS) private readonly settings: Pick<ServiceSettings, 'BOOTSTRAP_APPS'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    for (const { secret, ...application } of this.settings.BOOTSTRAP_APPS ?? []) {
      if (await this.applications.ensure(application, secret)) this.logger.info(application, 'application.registered');
    }
  }

  onApplicationBootstrap(): void {
    this.checking = this.checkAll();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    await this.checking;
  }

  /** Checks every secret once in the background: the start need not wait for slow hashes. */
  private async checkAll(): Promise<void> {
    try {
      for (const { secret, app_id: appId } of this.settings.BOOTSTRAP_APPS ?? []) {
        if (this.stopped) return;
        await this.credentials.verify([{ appId, secret }], 'BOOTSTRAP_APPS');
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'application.secrets_not_checked'); // each is when it is first used
    }
  }
}

/**
 * Returns a function that registers applications of an external issuer when they first call: each gets an id, which its agent
 * events and its rate are counted by, and can be revoked here. Its secret is known to nobody, so it gets no token of the built-in
 * issuer.
 */
export function externalRegistrar(applications: ApplicationRepository, logger: Logger): RegisterExternalApplication {
  return async ({ appId: app_id, clientId: client_id, access }) => {
    const application = { app_id, client_id, access };
    const added = await applications.addIfMissing(application, (await makeSecret()).hash, 'OIDC_ISSUER');
    if (added) logger.info({ ...application, by: 'oidc' }, 'application.registered');
  };
}
