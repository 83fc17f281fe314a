import {
  applyDecorators,
  Injectable,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import type { FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import { z } from 'zod';
import { ApiError, fieldErrorsOf } from '#http';

const nothing = z.strictObject({}, { error: (issue) => (issue.code === 'invalid_type' ? 'must be absent, or {}' : undefined) });

/** Refuses keys where a handler takes none: those that it takes are its schemas' to refuse, which are strict objects. */
@Injectable()
class KnownKeys implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { query, body } = context.switchToHttp().getRequest<FastifyRequest>();
    const taken = partsTakenBy(context);
    const issues = [
      ...(taken.has(RouteParamtypes.QUERY) ? [] : issuesOf(query ?? {})),
      ...(taken.has(RouteParamtypes.BODY) || body === undefined ? [] : issuesOf(body)),
    ];
    if (issues.length > 0) throw new ApiError('validation_error', 'The request is not valid', { errors: fieldErrorsOf(issues) });
    return next.handle();
  }
}

/** Has the handlers of a controller refuse keys of the query and the body that they do not know: contract §1. */
export function RefuseUnknownKeys(): ClassDecorator & MethodDecorator {
  return applyDecorators(UseInterceptors(KnownKeys));
}

function issuesOf(value: unknown): readonly z.core.$ZodIssue[] {
  return nothing.safeParse(value).error?.issues ?? [];
}

/** Which parts of a request the handler has as a parameter. */
function partsTakenBy(context: ExecutionContext): ReadonlySet<RouteParamtypes> {
  const parameters = Reflect.getMetadata(ROUTE_ARGS_METADATA, context.getClass(), context.getHandler().name) as
    object | undefined;
  return new Set(Object.keys(parameters ?? {}).map((key) => Number(key.split(':')[0])));
}
