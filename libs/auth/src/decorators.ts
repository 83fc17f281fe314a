import { applyDecorators, createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { AddRouteConfig } from '#http';
import { ACCESS_EXTENSION } from '#openapi';
import type { AccessLevel, Principal } from './principal.js';

/** Serves a route without a token. */
export function Public(): MethodDecorator {
  return AddRouteConfig({ public: true });
}

/** Restricts a route to applications of these access levels; others get 403 `app_access_type_deny`. */
export function RequireAccess(...levels: AccessLevel[]): MethodDecorator {
  return applyDecorators(AddRouteConfig({ access: levels }), ApiExtension(ACCESS_EXTENSION, levels));
}

/** The application that makes the request. */
export const CurrentPrincipal = createParamDecorator((_data: unknown, context: ExecutionContext): Principal => {
  const { principal } = context.switchToHttp().getRequest<FastifyRequest>();
  if (!principal) throw new Error('a public route has no principal');
  return principal;
});
