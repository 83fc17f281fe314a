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

/** Refuses query and body keys where a handler takes no query or body at all; elsewhere the handler's strict schemas do. */
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

/** Makes handlers refuse unknown keys in query and body: contract §1. */
export function RefuseUnknownKeys(): ClassDecorator & MethodDecorator {
  return applyDecorators(UseInterceptors(KnownKeys));
}

function issuesOf(value: unknown): readonly z.core.$ZodIssue[] {
  return nothing.safeParse(value).error?.issues ?? [];
}

/** Lists the parts of a request that the handler takes as parameters. */
function partsTakenBy(context: ExecutionContext): ReadonlySet<RouteParamtypes> {
  const parameters = Reflect.getMetadata(ROUTE_ARGS_METADATA, context.getClass(), context.getHandler().name) as
    object | undefined;
  return new Set(Object.keys(parameters ?? {}).map((key) => Number(key.split(':')[0])));
}
