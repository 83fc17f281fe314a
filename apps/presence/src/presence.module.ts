import { Module, type DynamicModule } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { AuthModule, type ExternalIssuer } from '#auth';
import { DeadLetters } from './telemetry/dead-letters.js';
import { TelemetryConsumer } from './telemetry/telemetry.consumer.js';
import { TelemetryController } from './telemetry/telemetry.controller.js';
import { TelemetryService } from './telemetry/telemetry.service.js';

export interface PresenceParts {
  readonly dataSource: DataSource;
  /** Whose tokens are accepted instead of our own. */
  readonly external?: ExternalIssuer | undefined;
  readonly telemetry: TelemetryService;
  readonly deadLetters: DeadLetters;
}

/** Nest module of the telemetry endpoints, HTTP and Kafka. `startPresence` creates and stops their parts, in the order that their work needs. */
@Module({})
export class PresenceModule {
  static with({ dataSource, external, telemetry, deadLetters }: PresenceParts): DynamicModule {
    return {
      module: PresenceModule,
      imports: [AuthModule.forRoot({ dataSource, external })],
      controllers: [TelemetryController, TelemetryConsumer],
      providers: [
        { provide: TelemetryService, useValue: telemetry },
        { provide: DeadLetters, useValue: deadLetters },
      ],
    };
  }
}
