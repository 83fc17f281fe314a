import { RouteConfig } from '@nestjs/platform-fastify';
import { FASTIFY_ROUTE_CONFIG_METADATA } from '@nestjs/platform-fastify/constants';
import type { FastifyContextConfig } from 'fastify';
import type { ErrorResponse } from './error-response.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Served without a token. */
    public?: boolean;
    /** The route takes urlencoded and multipart bodies too; their fields arrive as `Record<string, string>`. */
    acceptsForms?: boolean;
    /** How this route's errors look where they do not follow contract §1, such as OAuth's. */
    renderError?: (response: ErrorResponse) => unknown;
  }
}

/** Adds to a handler's Fastify route config, which hooks read before the body is parsed; several decorators combine. */
export function AddRouteConfig(part: FastifyContextConfig): MethodDecorator {
  return (target, key, descriptor: PropertyDescriptor) => {
    const existing = Reflect.getMetadata(FASTIFY_ROUTE_CONFIG_METADATA, descriptor.value as object) as
      FastifyContextConfig | undefined;
    (RouteConfig({ ...existing, ...part }) as MethodDecorator)(target, key, descriptor);
  };
}
