import { Module, type DynamicModule } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ApplicationRepository, Applications, AuditRepository, ClientRemovalRepository } from '#applications';
import { AuthModule, SigningKeyRepository, type ExternalIssuer } from '#auth';
import { ListReads, type Sealer } from '#database';
import type { Logger } from '#runtime';
import { AddressGuard, WebhookClient } from '#webhook';
import { AgentEventController } from './agent-events/agent-event.controller.js';
import { AgentEventRepository } from './agent-events/agent-event.repository.js';
import { AgentEvents } from './agent-events/agent-events.js';
import { ClientEventController } from './agent-events/client-event.controller.js';
import { FinishedEventsJob } from './agent-events/finished-events.job.js';
import { LimitController } from './agent-events/limit.controller.js';
import { AgentStatusController } from './agent-status/agent-status.controller.js';
import { LogMark } from './agent-status/log-mark.js';
import { SnapshotRepository } from './agent-status/snapshot.repository.js';
import { StatusLogRepository } from './agent-status/status-log.repository.js';
import { DEFAULT_STREAM_TIMES, OpenStreams, type StreamTimes } from './streams/open-streams.js';
import { StatusStreams } from './agent-status/status-streams.js';
import { AgentSearchController } from './directory/agent-search.controller.js';
import { AgentController } from './directory/agent.controller.js';
import { AgentRepository } from './agents/agent.repository.js';
import { ApplicationController } from './applications/application.controller.js';
import { BootstrapApplications } from './applications/bootstrap-applications.js';
import { CredentialVerifier } from './tokens/credential-verifier.js';
import { externalRegistrar } from './applications/external-applications.js';
import { DEFAULT_SIGNING_KEY_REFRESH_MS, SigningKeys } from './tokens/signing-keys.js';
import { TokenController } from './tokens/token.controller.js';
import { UserController } from './applications/user.controller.js';
import { AuditController } from './audit/audit.controller.js';
import { AuditJob } from './audit/audit.job.js';
import { ClientController } from './clients/client.controller.js';
import { ClientRemovalJob } from './clients/client-removal.job.js';
import { ClientRepository } from './clients/client.repository.js';
import { ConsoleConfigController } from './console/console-config.controller.js';
import { NO_DEMO, type Demo } from './console/console-config.schema.js';
import { PlaygroundController, NoPlaygroundController } from './console/playground.controller.js';
import type { Playground } from './console/playground.js';
import { Deliveries } from './deliveries/deliveries.js';
import { DeliveryCommandController } from './deliveries/delivery-command.controller.js';
import { DeliveryCommandRepository } from './deliveries/delivery-command.repository.js';
import { DeliveryCommands } from './deliveries/delivery-commands.js';
import { DeliveryFactsRepository } from './deliveries/delivery-facts.repository.js';
import { DeliveryListController } from './deliveries/delivery-list.controller.js';
import { DeliveryList } from './deliveries/delivery-list.js';
import { DeliveryStreams } from './deliveries/delivery-streams.js';
import { DeliveryController } from './deliveries/delivery.controller.js';
import { ExplainController } from './explain/explain.controller.js';
import { EventHealthController } from './event-health/event-health.controller.js';
import { EventHealthRepository } from './event-health/event-health.repository.js';
import { EventHealth } from './event-health/event-health.js';
import { Explainer } from './explain/explainer.js';
import { ReplayController } from './replays/replay.controller.js';
import { ReplayRepository } from './replays/replay.repository.js';
import { Replays } from './replays/replays.js';
import { TestNotifier } from './deliveries/test-notifier.js';
import { ApiMetrics } from './metrics.js';
import { NoticeController } from './notices/notice.controller.js';
import { NoticeRepository } from './notices/notice.repository.js';
import { NoticeEventController } from './notices/notice-event.controller.js';
import { NoticeEventRepository } from './notices/notice-event.repository.js';
import { NoticeEvents } from './notices/notice-events.js';
import { OriginController } from './origins/origin.controller.js';
import { OriginRepository } from './origins/origin.repository.js';
import { ClientAccess } from './admission/client-access.js';
import { DEFAULT_RATE_LIMIT_SYNC_MS, RateLimitSync } from './admission/rate-limit-sync.js';
import { WindowRateLimiter } from './admission/rate-limiter.js';
import { RequestCountRepository } from './admission/request-count.repository.js';
import { RequestPipeline } from './admission/request-pipeline.js';
import { SeriesController } from './series/series.controller.js';
import { SeriesRepository } from './series/series.repository.js';
import type { SubscriptionApiSettings } from './settings.js';
import {
  ADDRESS_GUARD,
  DEMO,
  EXTERNAL_ISSUER,
  LOGGER,
  PLAYGROUND,
  RATE_LIMIT_SYNC_MS,
  RATE_LIMITER,
  SEALER,
  SETTINGS,
  SIGNING_KEY_REFRESH_MS,
  STREAM_TIMES,
} from './tokens.js';
import { WebhookSecretController } from './webhook-secrets/webhook-secret.controller.js';
import { WebhookSecretRepository } from './webhook-secrets/webhook-secret.repository.js';
import { WebhookSecrets } from './webhook-secrets/webhook-secrets.js';

/** Tests are asked for by hand. */
const TEST_CONNECTIONS_PER_ORIGIN = 4;

export interface SubscriptionApiParts {
  readonly settings: SubscriptionApiSettings;
  readonly logger: Logger;
  readonly sealer: Sealer;
  /** Connected; stays the caller's to close. */
  readonly dataSource: DataSource;
  readonly reads: ListReads;
  /** Whose tokens are accepted instead of our own. */
  readonly external?: ExternalIssuer | undefined;
  readonly metrics: ApiMetrics;
  /** Milliseconds between two exchanges of request counts with the other instances. */
  readonly rateLimitSyncMs?: number;
  /** Milliseconds between two looks at the signing keys. */
  readonly signingKeyRefreshMs?: number;
  readonly streamTimes?: StreamTimes;
  /** What the console offers of a demo; nothing by default. */
  readonly demo?: Demo;
  /** Where agents can be played; nowhere by default. */
  readonly playground?: Playground;
}

@Module({})
export class SubscriptionApiModule {
  static forRoot(parts: SubscriptionApiParts): DynamicModule {
    const { settings, logger, sealer, dataSource, external, rateLimitSyncMs, signingKeyRefreshMs, streamTimes } = parts;
    const { RATE_LIMIT: limit } = settings;
    const guard = new AddressGuard(settings.ALLOW_DESTINATIONS ?? [], settings.DESTINATION_PORTS);
    return {
      module: SubscriptionApiModule,
      imports: [
        AuthModule.forRoot({
          dataSource,
          external,
          registerExternal: externalRegistrar(new ApplicationRepository(dataSource), logger),
        }),
      ],
      controllers: [
        TokenController,
        UserController,
        ApplicationController,
        AgentEventController,
        LimitController,
        AgentController,
        AgentSearchController,
        ClientController,
        AuditController,
        ClientEventController,
        WebhookSecretController,
        AgentStatusController,
        SeriesController,
        OriginController,
        DeliveryController,
        DeliveryListController,
        EventHealthController,
        DeliveryCommandController,
        ReplayController,
        NoticeController,
        NoticeEventController,
        ExplainController,
        ...(settings.CONSOLE ? [ConsoleConfigController, parts.playground ? PlaygroundController : NoPlaygroundController] : []),
      ],
      providers: [
        { provide: SETTINGS, useValue: settings },
        { provide: EXTERNAL_ISSUER, useValue: external },
        { provide: DEMO, useValue: parts.demo ?? NO_DEMO },
        { provide: LOGGER, useValue: logger },
        { provide: ApiMetrics, useValue: parts.metrics },
        { provide: PLAYGROUND, useValue: parts.playground },
        { provide: SEALER, useValue: sealer },
        { provide: DataSource, useValue: dataSource },
        { provide: ListReads, useValue: parts.reads },
        { provide: ADDRESS_GUARD, useValue: guard },
        {
          provide: WebhookClient,
          useFactory: () =>
            new WebhookClient({ guard, timeoutMs: settings.DELIVERY_TIMEOUT, connectionsPerOrigin: TEST_CONNECTIONS_PER_ORIGIN }),
        },
        { provide: RATE_LIMITER, useValue: limit && new WindowRateLimiter(limit) },
        { provide: RATE_LIMIT_SYNC_MS, useValue: rateLimitSyncMs ?? DEFAULT_RATE_LIMIT_SYNC_MS },
        RequestCountRepository,
        RateLimitSync,
        ApplicationRepository,
        Applications,
        { provide: SigningKeyRepository, useValue: new SigningKeyRepository(dataSource) },
        { provide: SIGNING_KEY_REFRESH_MS, useValue: signingKeyRefreshMs ?? DEFAULT_SIGNING_KEY_REFRESH_MS },
        SigningKeys,
        CredentialVerifier,
        BootstrapApplications,
        ClientAccess,
        RequestPipeline,
        AgentRepository,
        ClientRepository,
        ClientRemovalRepository,
        ClientRemovalJob,
        AuditRepository,
        AuditJob,
        AgentEventRepository,
        AgentEvents,
        FinishedEventsJob,
        WebhookSecretRepository,
        WebhookSecrets,
        StatusLogRepository,
        LogMark,
        SnapshotRepository,
        { provide: STREAM_TIMES, useValue: streamTimes ?? DEFAULT_STREAM_TIMES },
        OpenStreams,
        StatusStreams,
        SeriesRepository,
        OriginRepository,
        DeliveryFactsRepository,
        DeliveryList,
        DeliveryStreams,
        Deliveries,
        DeliveryCommandRepository,
        DeliveryCommands,
        EventHealthRepository,
        EventHealth,
        ReplayRepository,
        Replays,
        NoticeRepository,
        NoticeEventRepository,
        NoticeEvents,
        TestNotifier,
        Explainer,
      ],
    };
  }
}
