import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '#runtime';
import { errorResponse, type ErrorResponse } from './error-response.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** How this route's errors look where they do not follow contract §1, such as OAuth's. */
    renderError?: (response: ErrorResponse) => unknown;
  }
}

/** Least time between two lines about requests that a dependency kept from being answered, in milliseconds. */
const UNAVAILABLE_LINE_MS = 1000;

/** Answers whatever a hook, parser, guard, pipe or handler throws. */
@Catch()
export class ApiExceptionFilter implements ExceptionFilter {
  private lastUnavailableLineAt = -Infinity;
  private unavailableSinceLine = 0;

  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const response = errorResponse(error);
    const where = { method: request.method, route: request.routeOptions?.url, http_status: response.httpStatus };
    if (response.level === 'error') this.logger.error({ err: error, ...where }, 'http.request_failed');
    else if (response.level === 'warn') this.logUnavailable(error, where);
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy(); // a stream that broke half-way: nothing but the end of the connection can say so
      return;
    }
    const body = request.routeOptions?.config?.renderError?.(response) ?? response.body;
    void reply
      .code(response.httpStatus)
      .headers(response.headers)
      .type('application/json; charset=utf-8')
      .send(JSON.stringify(body));
  }

  /** A dependency that is away fails every request, for a reason that is the same for all and that a stack says nothing about. */
  private logUnavailable(error: unknown, where: object): void {
    this.unavailableSinceLine += 1;
    if (performance.now() - this.lastUnavailableLineAt < UNAVAILABLE_LINE_MS) return;
    this.logger.warn({ ...where, reason: reasonOf(error), requests: this.unavailableSinceLine }, 'http.unavailable');
    this.lastUnavailableLineAt = performance.now();
    this.unavailableSinceLine = 0;
  }
}

/** Of several addresses that were tried, the first tells enough. */
function reasonOf(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? first.message : String(first);
}
