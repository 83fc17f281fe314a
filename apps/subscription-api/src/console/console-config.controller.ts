import { Controller, Get, Inject } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Public } from '#auth';
import { VERSION } from '#runtime';
import type { SubscriptionApiSettings } from '../settings.js';
import { DEMO, PLAYGROUND, SETTINGS } from '../tokens.js';
import type { Playground } from './playground.js';
import { consoleConfigSchema, type ConsoleConfig, type Demo } from './console-config.schema.js';

@ApiTags('Console')
@Controller('console/config.json')
export class ConsoleConfigController {
  constructor(
    @Inject(SETTINGS) private readonly settings: Pick<SubscriptionApiSettings, 'OIDC_ISSUER' | 'OIDC_AUDIENCE'>,
    @Inject(DEMO) private readonly demo: Demo,
    @Inject(PLAYGROUND) private readonly playground: Playground | undefined,
  ) {}

  @Get()
  @Public()
  @ApiOperation({ summary: 'What the console has to know before anybody has signed in' })
  @ApiResponse({ status: 200, description: 'No secrets, but those of the demo', standardSchema: consoleConfigSchema })
  config(): ConsoleConfig {
    const { OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience } = this.settings;
    return {
      version: VERSION,
      issuer: issuer === undefined || audience === undefined ? null : { issuer, audience },
      demo: this.demo.applications.map(({ app_id, secret, access }) => ({ app_id, secret, access })),
      playground: this.playground !== undefined,
    };
  }
}
