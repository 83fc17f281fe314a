import { Controller, Get, Inject } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Public, type ExternalIssuer } from '#auth';
import { VERSION } from '#runtime';
import { EXTERNAL_ISSUER, SETTINGS } from '../core.module.js';
import type { SubscriptionApiSettings } from '../settings.js';
import { consoleConfigSchema, DEMO, type ConsoleConfig, type Demo } from './console-config.schema.js';
import { PLAYGROUND, type Playground } from './playground.js';

@ApiTags('Console')
@Controller('console/config.json')
export class ConsoleConfigController {
  constructor(
    @Inject(SETTINGS) private readonly settings: Pick<SubscriptionApiSettings, 'OIDC_CONSOLE_CLIENT_ID'>,
    @Inject(EXTERNAL_ISSUER) private readonly external: ExternalIssuer | undefined,
    @Inject(DEMO) private readonly demo: Demo,
    @Inject(PLAYGROUND) private readonly playground: Playground | undefined,
  ) {}

  @Get()
  @Public()
  @ApiOperation({
    summary: 'What the console has to know before anybody has signed in',
    description: 'Public: nothing of it is secret but in the demo.',
  })
  @ApiResponse({ status: 200, description: 'No secrets, but those of the demo', standardSchema: consoleConfigSchema })
  async config(): Promise<ConsoleConfig> {
    return {
      version: VERSION,
      issuer: this.external ? await this.issuer(this.external) : null,
      demo: this.demo.applications.map(({ app_id, secret, access }) => ({ app_id, secret, access })),
      playground: this.playground !== undefined,
    };
  }

  private async issuer({ issuer, audience, keys }: ExternalIssuer): Promise<ConsoleConfig['issuer']> {
    const { OIDC_CONSOLE_CLIENT_ID: clientId } = this.settings;
    const endpoints = clientId === undefined ? undefined : await keys.signInEndpoints();
    return {
      issuer,
      audience,
      client_id: clientId ?? null,
      authorization_endpoint: endpoints?.authorization ?? null,
      token_endpoint: endpoints?.token ?? null,
    };
  }
}
