import { Controller, Get, Post } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { CurrentPrincipal, RequireAccess, type Principal } from '#auth';
import { RefuseUnknownKeys } from '../http/known-keys.js';
import { ClientId, CLIENT_PATH } from '../http/path-params.js';
import { WebhookSecrets, type WebhookSecret } from './webhook-secrets.js';

const webhookSecretSchema = z
  .object({
    id: z.number().int().meta({ example: 1 }),
    secret: z.string().meta({ description: 'Standard Webhooks', example: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD' }),
    created_at: z.iso.datetime(),
    expires_at: z.iso.datetime().nullable().meta({ description: 'null: the current one' }),
  })
  .meta({ id: 'WebhookSecret' });

/** The secrets that notifications are signed with: contract §3 and §6. */
@ApiTags('Signing secrets')
@Controller(`${CLIENT_PATH}/webhook_secret`)
@RefuseUnknownKeys()
export class WebhookSecretController {
  constructor(private readonly secrets: WebhookSecrets) {}

  @Get()
  @RequireAccess('all', 'platform')
  @ApiOperation({ summary: 'The secrets that sign notifications now' })
  @ApiResponse({ status: 200, description: 'The secrets', standardSchema: webhookSecretSchema, isArray: true })
  list(@ClientId() clientId: number): Promise<WebhookSecret[]> {
    return this.secrets.list(clientId);
  }

  @Post()
  @RequireAccess('all', 'platform')
  @ApiOperation({ summary: 'Rotate the secret', description: 'The former secret signs along for 24 hours.' })
  @ApiResponse({ status: 201, description: 'The new secret', standardSchema: webhookSecretSchema })
  rotate(@ClientId() clientId: number, @CurrentPrincipal() { appId: by }: Principal): Promise<WebhookSecret> {
    return this.secrets.rotate(clientId, by);
  }
}
