import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '#runtime';
import { errorResponse } from './error-response.js';
import { traceOfRequest } from './request-trace.js';

/** Answers whatever a hook, parser, guard, pipe or handler throws. */
@Catch()
export class ApiExceptionFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const response = errorResponse(error);
    const where = {
      method: request.method,
      route: request.routeOptions?.url,
      http_status: response.httpStatus,
      ...traceOfRequest(request),
    };
    if (response.level === 'error') this.logger.error({ err: error, ...where }, 'http.request_failed');
    else if (response.level === 'warn') this.logger.warn({ err: error, ...where }, 'http.unavailable');
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
}
