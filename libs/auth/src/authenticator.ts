import type { OnModuleInit } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiError } from '#http';
import type { TokenVerifier } from './token-verifier.js';
import { bearerTokenOf, isBearer } from './token.js';

/**
 * Requires a token of every request, unless its route is public. A Fastify hook and no Nest guard: guards run after the body is
 * read, and whoever has no token is told so whatever the body.
 */
export class Authenticator implements OnModuleInit {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly verifier: TokenVerifier,
  ) {}

  onModuleInit(): void {
    const instance = this.adapterHost.httpAdapter.getInstance<FastifyInstance>();
    instance.addHook('onRequest', (request) => this.authenticate(request));
  }

  private async authenticate(request: FastifyRequest): Promise<void> {
    const { config } = request.routeOptions;
    if (request.is404 || config.public) return;
    const token = bearerTokenOf(request.headers.authorization);
    const principal = token === undefined ? undefined : await this.verifier.verify(token);
    if (!principal) throw ApiError.unauthorized(isBearer(request.headers.authorization));
    request.principal = principal;
    if (config.access && !config.access.includes(principal.access)) {
      const message = `The access level ${principal.access} does not allow this, which needs ${config.access.join(' or ')}`;
      throw new ApiError('app_access_type_deny', message, {
        headers: { 'www-authenticate': 'Bearer error="insufficient_scope"' },
      });
    }
  }
}
