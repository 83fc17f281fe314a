import { Module, type DynamicModule } from '@nestjs/common';
import { AccessModule } from '#applications';
import { TokensModule } from '../tokens/tokens.module.js';
import { WebhookSecretsModule } from '../webhook-secrets/webhook-secrets.module.js';
import { ConsoleConfigController } from './console-config.controller.js';
import { DEMO, NO_DEMO, type Demo } from './console-config.schema.js';
import { NoPlaygroundController, PlaygroundController } from './playground.controller.js';
import { PLAYGROUND, type Playground } from './playground.js';

export interface ConsoleParts {
  /** Whether there is a console: CONSOLE. */
  readonly isEnabled: boolean;
  /** What the console offers of a demo; nothing by default. */
  readonly demo?: Demo | undefined;
  /** Where agents can be played; nowhere by default. */
  readonly playground?: Playground | undefined;
}

/** What the console needs beside the REST API: contract §3 and §8. Its files are served by {@link serveConsole}. */
@Module({})
export class ConsoleModule {
  static forRoot({ isEnabled, demo, playground }: ConsoleParts): DynamicModule {
    return {
      module: ConsoleModule,
      imports: [AccessModule, TokensModule, WebhookSecretsModule],
      controllers: isEnabled ? [ConsoleConfigController, playground ? PlaygroundController : NoPlaygroundController] : [],
      providers: [
        { provide: DEMO, useValue: demo ?? NO_DEMO },
        { provide: PLAYGROUND, useValue: playground },
      ],
    };
  }
}

export type { Demo } from './console-config.schema.js';
export type { Playground } from './playground.js';
export { serveConsole } from './serve-console.js';
