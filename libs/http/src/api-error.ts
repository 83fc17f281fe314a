import type { FieldErrors } from '#contracts';

/** The closed list of error codes and the HTTP status of each: contract §1. */
const HTTP_STATUS = {
  validation_error: 400,
  unauthorized: 401,
  access_denied: 403,
  app_access_type_deny: 403,
  event_limit_exceeded: 403,
  client_not_found: 404,
  agent_not_found: 404,
  event_not_found: 404,
  delivery_not_found: 404,
  not_found: 404,
  method_not_allowed: 405,
  already_exists: 409,
  already_waiting: 409,
  cursor_expired: 410,
  payload_too_large: 413,
  unsupported_media_type: 415,
  rate_limit_exceeded: 429,
  internal_error: 500,
  unavailable: 503,
} as const;

export type ApiErrorCode = keyof typeof HTTP_STATUS;

export const API_ERROR_CODES = Object.keys(HTTP_STATUS) as readonly ApiErrorCode[];

export interface ApiErrorDetails {
  /** What is wrong, by field; only with `validation_error`. */
  readonly errors?: FieldErrors;
  /** Further response headers, such as `retry-after`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Where another status than the code's own is meant, such as 408 for a request that never ended. */
  readonly httpStatus?: number;
}

/** An error that the caller receives as `{"message","status"}`: contract §1. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly httpStatus: number;
  readonly errors: FieldErrors | undefined;
  readonly headers: Readonly<Record<string, string>>;

  /** @param message for people */
  constructor(
    readonly code: ApiErrorCode,
    message: string,
    details: ApiErrorDetails = {},
  ) {
    super(message);
    this.httpStatus = details.httpStatus ?? HTTP_STATUS[code];
    this.errors = details.errors;
    this.headers = details.headers ?? {};
  }

  /** Makes a 400 about one field. */
  static invalid(field: string, why: string): ApiError {
    return new ApiError('validation_error', `${field} ${why}`, { errors: { [field]: [why] } });
  }

  /**
   * Makes the 401 for a request without a valid token; it does not say what was wrong with it.
   *
   * @param isTokenGiven whether there was one at all: RFC 6750 §3.1 has only then an error in the challenge
   */
  static unauthorized(isTokenGiven: boolean): ApiError {
    const challenge = isTokenGiven ? 'Bearer error="invalid_token"' : 'Bearer';
    return new ApiError('unauthorized', 'Unauthorized', { headers: { 'www-authenticate': challenge } });
  }
}
