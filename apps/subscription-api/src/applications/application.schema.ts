import type { ApiBodyOptions } from '@nestjs/swagger';
import { z } from 'zod';

type JsonSchema = Extract<ApiBodyOptions, { schema: unknown }>['schema'];

export const tokenSchema = z
  .object({
    access_token: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.number().int().meta({ description: 'Seconds', example: 3600 }),
    scope: z.literal('all'),
  })
  .meta({ id: 'Token' });

export const oauthErrorSchema = z
  .object({
    error: z.string().meta({ example: 'invalid_client' }),
    error_description: z.string().meta({ example: 'client_id or client_secret is wrong' }),
  })
  .meta({ id: 'OAuthError' });

export const jwksSchema = z.object({ keys: z.array(z.record(z.string(), z.unknown())) }).meta({ id: 'Jwks' });

export const userSchema = z
  .object({
    id: z.number().int().meta({ example: 1 }),
    login: z.string().meta({ description: 'The application', example: 'demo' }),
    admin: z.boolean().meta({ description: 'Whether the application acts for every client', example: false }),
    client_id: z.number().int().meta({ example: 12 }),
  })
  .meta({ id: 'User' });

export const tokenRequestJsonSchema: JsonSchema = {
  type: 'object',
  required: ['grant_type'],
  properties: {
    grant_type: { type: 'string', enum: ['client_credentials'] },
    client_id: { type: 'string', example: 'demo' },
    client_secret: { type: 'string', example: 'demo-secret' },
  },
};
