import { Catch, Inject, type ArgumentsHost } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ApiError, ApiExceptionFilter } from '#http';
import type { Logger } from '#runtime';
import { checkUrl, type AddressGuard } from '#webhook';
import { ADDRESS_GUARD, LOGGER } from '../core.module.js';

/**
 * Tells what is wrong with a url together with what is wrong with other fields. Whether it may be notified depends on the
 * settings, so that the schema of the body, which refuses the others, cannot say.
 */
@Catch()
export class UrlErrorFilter extends ApiExceptionFilter {
  constructor(
    @Inject(LOGGER) logger: Logger,
    @Inject(ADDRESS_GUARD) private readonly guard: AddressGuard,
  ) {
    super(logger);
  }

  override catch(error: unknown, host: ArgumentsHost): void {
    super.catch(this.withUrl(error, host.switchToHttp().getRequest<FastifyRequest>().body), host);
  }

  private withUrl(error: unknown, body: unknown): unknown {
    if (!(error instanceof ApiError) || !error.errors || Object.hasOwn(error.errors, 'url')) return error;
    const { url } = (body ?? {}) as { url?: unknown };
    const wrong = typeof url === 'string' ? checkUrl(url, this.guard) : undefined;
    return wrong === undefined ? error : new ApiError(error.code, error.message, { errors: { url: [wrong], ...error.errors } });
  }
}
