import { Module, type DynamicModule } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AuthModule } from '#auth';
import type { Sealer } from '#database';
import type { Logger } from '#runtime';
import { AddressGuard } from '#webhook';
import { AgentEventController } from './agent-events/agent-event.controller.js';
import { AgentEventRepository } from './agent-events/agent-event.repository.js';
import { AgentEvents } from './agent-events/agent-events.js';
import { ClientEventController } from './agent-events/client-event.controller.js';
import { FinishedEventsJob } from './agent-events/finished-events.job.js';
import { LimitController } from './agent-events/limit.controller.js';
import { AgentController } from './agents/agent.controller.js';
import { AgentRepository } from './agents/agent.repository.js';
import { ApplicationRepository } from './applications/application.repository.js';
import { BootstrapApplications } from './applications/bootstrap-applications.js';
import { CredentialVerifier } from './applications/credential-verifier.js';
import { SigningKeyRepository } from './applications/signing-key.repository.js';
import { SigningKeys } from './applications/signing-keys.js';
import { TokenController } from './applications/token.controller.js';
import { UserController } from './applications/user.controller.js';
import { ClientAccess } from './request/client-access.js';
import { WindowRateLimiter } from './request/rate-limiter.js';
import { RequestPipeline } from './request/request-pipeline.js';
import type { SubscriptionApiSettings } from './settings.js';
import { ADDRESS_GUARD, LOGGER, RATE_LIMITER, SEALER, SETTINGS } from './tokens.js';
import { WebhookSecretController } from './webhook-secrets/webhook-secret.controller.js';
import { WebhookSecretRepository } from './webhook-secrets/webhook-secret.repository.js';
import { WebhookSecrets } from './webhook-secrets/webhook-secrets.js';

export interface SubscriptionApiParts {
  readonly settings: SubscriptionApiSettings;
  readonly logger: Logger;
  readonly sealer: Sealer;
  /** Connected; stays the caller's to close. */
  readonly dataSource: DataSource;
}

@Module({})
export class SubscriptionApiModule {
  static forRoot({ settings, logger, sealer, dataSource }: SubscriptionApiParts): DynamicModule {
    const { RATE_LIMIT: limit } = settings;
    return {
      module: SubscriptionApiModule,
      imports: [AuthModule.forRoot({ dataSource })],
      controllers: [
        TokenController,
        UserController,
        AgentEventController,
        LimitController,
        AgentController,
        ClientEventController,
        WebhookSecretController,
      ],
      providers: [
        { provide: SETTINGS, useValue: settings },
        { provide: LOGGER, useValue: logger },
        { provide: SEALER, useValue: sealer },
        { provide: DataSource, useValue: dataSource },
        { provide: ADDRESS_GUARD, useValue: new AddressGuard(settings.ALLOW_DESTINATIONS ?? []) },
        { provide: RATE_LIMITER, useValue: limit && new WindowRateLimiter(limit) },
        ApplicationRepository,
        SigningKeyRepository,
        SigningKeys,
        CredentialVerifier,
        BootstrapApplications,
        ClientAccess,
        RequestPipeline,
        AgentRepository,
        AgentEventRepository,
        AgentEvents,
        FinishedEventsJob,
        WebhookSecretRepository,
        WebhookSecrets,
      ],
    };
  }
}
