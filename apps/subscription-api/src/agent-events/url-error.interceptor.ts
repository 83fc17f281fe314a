import { Inject, Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { catchError, throwError, type Observable } from 'rxjs';
import { ApiError } from '#http';
import { checkUrl, type AddressGuard } from '#webhook';
import { ADDRESS_GUARD } from '../tokens.js';

/**
 * Tells what is wrong with a url together with what is wrong with other fields. Whether it may be notified depends on the
 * settings, so that the schema of the body, which refuses the others, cannot say.
 */
@Injectable()
export class UrlErrorInterceptor implements NestInterceptor {
  constructor(@Inject(ADDRESS_GUARD) private readonly guard: AddressGuard) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { body } = context.switchToHttp().getRequest<FastifyRequest>();
    return next.handle().pipe(catchError((error: unknown) => throwError(() => this.addUrl(error, body))));
  }

  private addUrl(error: unknown, body: unknown): unknown {
    if (!(error instanceof ApiError) || !error.errors || Object.hasOwn(error.errors, 'url')) return error;
    const { url } = (body ?? {}) as { url?: unknown };
    const wrong = typeof url === 'string' ? checkUrl(url, this.guard) : undefined;
    return wrong === undefined ? error : new ApiError(error.code, error.message, { errors: { url: [wrong], ...error.errors } });
  }
}
