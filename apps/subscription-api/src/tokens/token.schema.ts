import { z } from 'zod';
import type { SchemaObject } from '#openapi';

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

export const authorizationServerSchema = z
  .object({
    issuer: z.string().meta({ example: 'https://rollcall.example.com' }),
    token_endpoint: z.string().meta({ example: 'https://rollcall.example.com/oauth/token' }),
    jwks_uri: z.string().meta({ example: 'https://rollcall.example.com/.well-known/jwks.json' }),
    grant_types_supported: z.array(z.literal('client_credentials')),
    response_types_supported: z.array(z.string()).meta({ description: 'None: nobody is sent to a browser', example: [] }),
    scopes_supported: z.array(z.literal('all')),
    token_endpoint_auth_methods_supported: z.array(z.enum(['client_secret_basic', 'client_secret_post'])),
    service_documentation: z.string().meta({ example: 'https://rollcall.example.com/api/docs' }),
  })
  .meta({ id: 'AuthorizationServer' });

/** @param base the URL that this service is reached at, without a slash at its end */
export function authorizationServerAt(base: string): z.output<typeof authorizationServerSchema> {
  return {
    issuer: base,
    token_endpoint: `${base}/oauth/token`,
    jwks_uri: `${base}/.well-known/jwks.json`,
    grant_types_supported: ['client_credentials'],
    response_types_supported: [],
    scopes_supported: ['all'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    service_documentation: `${base}/api/docs`,
  };
}

/** What `POST /oauth/token` reads, wherever it stands: see `readTokenRequest`. */
export const tokenRequestJsonSchema: SchemaObject = {
  type: 'object',
  description: 'Id and secret may also come by HTTP Basic, and all of it in the query string',
  required: ['grant_type'],
  properties: {
    grant_type: { type: 'string', enum: ['client_credentials'] },
    client_id: { type: 'string', description: 'The id of the application', example: 'demo' },
    client_secret: { type: 'string', example: 'demo-secret' },
    scope: { type: 'string', description: 'Not read: a token has always `all`', example: 'all' },
  },
};
