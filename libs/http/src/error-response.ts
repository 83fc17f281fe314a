import { isUnavailable } from '#runtime';
import { ApiError, type ApiErrorCode } from './api-error.js';

/** Seconds after which a caller may try again when a dependency is away. */
const RETRY_AFTER_SECONDS = 2;

/** An error as it is answered, and whether it is ours to look into. */
export interface ErrorResponse {
  readonly httpStatus: number;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
  readonly level: 'none' | 'warn' | 'error';
}

/** Turns whatever was thrown into the answer of contract §1; never tells details of what was not expected. */
export function errorResponse(error: unknown): ErrorResponse {
  const refusal = refusalOf(error);
  if (refusal) return { ...render(refusal), level: 'none' };
  if (isUnavailable(error)) {
    const headers = { 'retry-after': String(RETRY_AFTER_SECONDS) };
    return { ...render(new ApiError('unavailable', 'The service is temporarily unavailable', { headers })), level: 'warn' };
  }
  return { ...render(new ApiError('internal_error', 'Internal error')), level: 'error' };
}

function render(error: ApiError): Omit<ErrorResponse, 'level'> {
  return {
    httpStatus: error.httpStatus,
    body: { message: error.message, status: error.code, ...(error.errors && { errors: error.errors }) },
    headers: error.headers,
  };
}

/**
 * Converts an error that is the caller's fault into an ApiError: our own, or one of Fastify's, Nest's or Node's with a 4xx
 * status.
 */
function refusalOf(error: unknown): ApiError | undefined {
  if (error instanceof ApiError) return error;
  const httpStatus = clientStatusOf(error);
  if (httpStatus === undefined) return undefined;
  const known = REFUSALS[httpStatus];
  if (known) return new ApiError(known[0], known[1]);
  const message = error instanceof Error ? error.message : 'Bad request';
  return new ApiError('validation_error', message, { httpStatus, errors: { request: [message] } });
}

const REFUSALS: Readonly<Record<number, readonly [ApiErrorCode, string]>> = {
  401: ['unauthorized', 'Unauthorized'],
  403: ['access_denied', 'Access denied'],
  404: ['not_found', 'Not found'],
  405: ['method_not_allowed', 'Method not allowed'],
  413: ['payload_too_large', 'The request body is too large'],
  414: ['not_found', 'Not found'],
  415: ['unsupported_media_type', 'The request body must be application/json'],
  429: ['rate_limit_exceeded', 'Too many requests'],
};

function clientStatusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { statusCode, getStatus } = error as { statusCode?: unknown; getStatus?: unknown };
  const status = typeof getStatus === 'function' ? (getStatus.call(error) as unknown) : statusCode;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
}
