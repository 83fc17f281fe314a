import { Body, Controller, Get, Header, Headers, HttpCode, Inject, Ip, Post, Query, Req } from '@nestjs/common';
import { ApiOperation, ApiQuery, ApiResponse, ApiSecurity, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { JWKS_MAX_AGE_SECONDS, Public, signToken, TOKEN_LIFETIME_SECONDS } from '#auth';
import { AddRouteConfig, ApiError, type ErrorResponse } from '#http';
import { errorSchema } from '#openapi';
import { SETTINGS } from '../core.module.js';
import { notFound } from '../http/path-params.js';
import { ApiMetrics } from '../metrics.js';
import type { SubscriptionApiSettings } from '../settings.js';
import { CredentialVerifier } from './credential-verifier.js';
import { SigningKeys } from './signing-keys.js';
import { readTokenRequest } from './token-request.js';
import { authorizationServerAt, authorizationServerSchema, jwksSchema, oauthErrorSchema, tokenSchema } from './token.schema.js';

type OAuthErrorCode = 'invalid_request' | 'invalid_client' | 'unsupported_grant_type';

/** An error in OAuth's own form: RFC 6749 §5.2. */
class OAuthError extends ApiError {
  constructor(
    readonly oauthCode: OAuthErrorCode,
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super('validation_error', message, {
      httpStatus: oauthCode === 'invalid_client' ? 401 : 400,
      headers,
      errors: { error: [oauthCode] },
    });
  }
}

/** Renders every error of the token route in OAuth's form, the body parser's too. */
function renderOAuthError({ httpStatus, body }: ErrorResponse): unknown {
  const { message, errors } = body as { message: string; errors?: { error?: [OAuthErrorCode] } };
  const error = errors?.error?.[0] ?? (httpStatus < 500 ? 'invalid_request' : 'temporarily_unavailable');
  return { error, error_description: message };
}

/** Tells whether a script in a page asks: its browser would answer a challenge with a login dialog and keep the wrong secret. */
function isAskedByPage(headers: Readonly<Record<string, string | undefined>>): boolean {
  if (headers['x-requested-with'] !== undefined) return true;
  // Node's fetch says so too, and is in no page.
  return headers['sec-fetch-mode'] === 'cors' && !/^(node|undici)$/.test(headers['user-agent'] ?? '');
}

/** Tokens, and the keys to verify them: contract §2. */
@ApiTags('Applications and tokens')
@Controller()
export class TokenController {
  constructor(
    private readonly credentials: CredentialVerifier,
    private readonly signingKeys: SigningKeys,
    private readonly metrics: ApiMetrics,
    @Inject(SETTINGS) private readonly settings: Pick<SubscriptionApiSettings, 'OIDC_ISSUER' | 'PUBLIC_URL'>,
  ) {}

  @Post('oauth/token')
  @Public()
  @AddRouteConfig({ acceptsForms: true, renderError: renderOAuthError })
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @Header('pragma', 'no-cache')
  @ApiOperation({
    summary: 'Get a token',
    description:
      'OAuth 2.0 client credentials. The fields are taken from an urlencoded, multipart or JSON body, from the query string, or (id and secret) from HTTP Basic. A new token never revokes an older one. Where an external issuer gives out the tokens: `unsupported_grant_type`.',
  })
  @ApiSecurity({})
  @ApiQuery({ name: 'grant_type', required: false, schema: { type: 'string', enum: ['client_credentials'] } })
  @ApiQuery({
    name: 'client_id',
    required: false,
    schema: { type: 'string' },
    description: 'Better in the body: URLs are logged',
  })
  @ApiQuery({
    name: 'client_secret',
    required: false,
    schema: { type: 'string' },
    description: 'Better in the body: URLs are logged',
  })
  @ApiResponse({ status: 200, description: 'A token', standardSchema: tokenSchema })
  @ApiResponse({ status: 400, description: 'Not a token request', standardSchema: oauthErrorSchema })
  @ApiResponse({ status: 401, description: 'Wrong id or secret', standardSchema: oauthErrorSchema })
  async issue(
    @Body() body: unknown,
    @Query() query: unknown,
    @Headers() headers: Readonly<Record<string, string | undefined>>,
    @Ip() source: string,
  ): Promise<unknown> {
    try {
      const token = await this.tokenFor(body, query, headers, source);
      this.metrics.countToken('issued');
      return token;
    } catch (error) {
      this.metrics.countToken(error instanceof OAuthError ? error.oauthCode : 'unavailable');
      throw error;
    }
  }

  private async tokenFor(
    body: unknown,
    query: unknown,
    headers: Readonly<Record<string, string | undefined>>,
    source: string,
  ): Promise<unknown> {
    const { OIDC_ISSUER: issuer } = this.settings;
    if (issuer !== undefined) throw new OAuthError('unsupported_grant_type', `Tokens are issued by ${issuer}`);
    const request = readTokenRequest(body, query, headers['authorization']);
    if (!request) throw new OAuthError('invalid_request', 'grant_type, client_id and client_secret must be strings');
    if (request.grantType === undefined) throw new OAuthError('invalid_request', 'grant_type is required');
    if (request.grantType !== 'client_credentials')
      throw new OAuthError('unsupported_grant_type', 'grant_type must be client_credentials');
    const principal = await this.credentials.verify(request.credentials, source);
    if (!principal) {
      throw new OAuthError(
        'invalid_client',
        request.credentials.length === 0
          ? 'client_id and client_secret are required: in the body, in the query string or by HTTP Basic'
          : 'client_id or client_secret is wrong',
        request.basic && !isAskedByPage(headers) ? { 'www-authenticate': 'Basic realm="rollcall"' } : {},
      );
    }
    return {
      access_token: await signToken(principal, this.signingKeys.current),
      token_type: 'Bearer',
      expires_in: TOKEN_LIFETIME_SECONDS,
      scope: 'all',
    };
  }

  @Get('.well-known/jwks.json')
  @Public()
  @Header('cache-control', `public, max-age=${JWKS_MAX_AGE_SECONDS}`)
  @ApiOperation({ summary: 'The public keys of tokens', description: 'None where an external issuer gives out the tokens.' })
  @ApiSecurity({})
  @ApiResponse({ status: 200, description: 'RFC 7517', standardSchema: jwksSchema })
  keys(): unknown {
    return this.signingKeys.publicKeySet;
  }

  @Get('.well-known/oauth-authorization-server')
  @Public()
  @ApiOperation({
    summary: 'Where tokens are given out, and how',
    description:
      'Under PUBLIC_URL where that is set, else as it was asked for. `not_found` where an external issuer gives out the tokens.',
  })
  @ApiSecurity({})
  @ApiResponse({ status: 200, description: 'RFC 8414', standardSchema: authorizationServerSchema })
  @ApiResponse({ status: 404, description: 'An external issuer gives out the tokens: `not_found`', standardSchema: errorSchema })
  metadata(@Req() { protocol, host }: FastifyRequest): unknown {
    const { OIDC_ISSUER, PUBLIC_URL } = this.settings;
    if (OIDC_ISSUER !== undefined) throw notFound('not_found');
    if (PUBLIC_URL === undefined && !host) throw ApiError.invalid('host', 'is required: it says where this service is reached');
    return authorizationServerAt(PUBLIC_URL ?? `${protocol}://${host}`);
  }
}
