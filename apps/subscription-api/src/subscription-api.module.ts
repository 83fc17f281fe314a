import { Module, type DynamicModule, type OnModuleDestroy } from '@nestjs/common';
import { ApplicationRepository } from '#applications';
import { AuthModule } from '#auth';
import { AdmissionModule } from './admission/admission.module.js';
import { AgentEventsModule } from './agent-events/agent-events.module.js';
import { AgentStatusModule } from './agent-status/agent-status.module.js';
import { ApplicationsModule, externalRegistrar } from './applications/applications.module.js';
import { AuditModule } from './audit/audit.module.js';
import { ClientsModule } from './clients/clients.module.js';
import { ConsoleModule, type ConsoleParts } from './console/console.module.js';
import { CoreModule, type CoreParts } from './core.module.js';
import { DeliveriesModule } from './deliveries/deliveries.module.js';
import { DirectoryModule } from './directory/directory.module.js';
import { EventHealthModule } from './event-health/event-health.module.js';
import { ExplainModule } from './explain/explain.module.js';
import { NoticesModule } from './notices/notices.module.js';
import { OriginsModule } from './origins/origins.module.js';
import { ReplaysModule } from './replays/replays.module.js';
import { SeriesModule } from './series/series.module.js';
import { OpenStreams, StreamsModule } from './streams/streams.module.js';
import { TokensModule } from './tokens/tokens.module.js';
import { WebhookSecretsModule } from './webhook-secrets/webhook-secrets.module.js';

export interface SubscriptionApiParts extends CoreParts {
  readonly console: ConsoleParts;
}

/** The REST API: a module for each feature, in the order in which it is documented. */
@Module({})
export class SubscriptionApiModule implements OnModuleDestroy {
  static forRoot({ console, ...core }: SubscriptionApiParts): DynamicModule {
    const { dataSource, external, logger } = core;
    return {
      module: SubscriptionApiModule,
      imports: [
        CoreModule.forRoot(core),
        AuthModule.forRoot({
          dataSource,
          external,
          registerExternal: externalRegistrar(new ApplicationRepository(dataSource), logger),
        }),
        AdmissionModule,
        TokensModule,
        ApplicationsModule,
        DirectoryModule,
        AgentEventsModule,
        WebhookSecretsModule,
        StreamsModule,
        AgentStatusModule,
        SeriesModule,
        DeliveriesModule,
        EventHealthModule,
        ReplaysModule,
        ExplainModule,
        OriginsModule,
        NoticesModule,
        ClientsModule,
        AuditModule,
        ConsoleModule.forRoot(console),
      ],
    };
  }

  constructor(private readonly streams: OpenStreams) {}

  /**
   * Ends the streams before anything else is stopped: Nest stops one module after another, this one first, and no reader need wait for
   * the last run of a job.
   */
  onModuleDestroy(): void {
    this.streams.stop();
  }
}
