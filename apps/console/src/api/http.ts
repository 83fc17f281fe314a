import { currentClient, currentToken, endSession } from '../session/session';

/** An answer that says no, or no answer at all (status 0). */
export class ApiFailure extends Error {
  override readonly name = 'ApiFailure';

  constructor(
    /** HTTP status; 0: the server was not reached. */
    readonly status: number,
    readonly code: string,
    message: string,
    /** What is wrong, by field. */
    readonly errors: Readonly<Record<string, readonly string[]>> = {},
    /** Seconds after which to come again, where the server said so. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface CallOptions {
  readonly query?: Query;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

const API = '/api/ver1.0';

/** Returns the path of a resource of the client that is looked at. @param path such as `/limit/` */
export function ofClient(path: string): string {
  return `${API}/client/${currentClient()}${path}`;
}

/** Returns the path of a resource that belongs to no client. @param path such as `/user` */
export function ofApi(path: string): string {
  return API + path;
}

/**
 * Sends a request with the session's token and hands its answer over unread.
 *
 * @throws ApiFailure where the answer is no success, or none came; a 401 also ends the session
 */
export async function send(method: string, path: string, options: CallOptions = {}): Promise<Response> {
  const { query = {}, body, signal, headers } = options;
  const search = new URLSearchParams(
    Object.entries(query).flatMap(([key, value]) => (value === undefined || value === '' ? [] : [[key, String(value)]])),
  ).toString();
  const token = await currentToken();
  let response: Response;
  try {
    response = await fetch(search === '' ? path : `${path}?${search}`, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
      credentials: 'omit',
      cache: 'no-store',
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiFailure(0, 'unreachable', 'Rollcall cannot be reached.');
  }
  if (response.ok) return response;
  if (response.status === 401) endSession();
  throw await failureOf(response);
}

/** Sends a request and reads the JSON that it is answered with; undefined for an empty answer. */
export async function call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
  const response = await send(method, path, options);
  const text = await response.text();
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

async function failureOf(response: Response): Promise<ApiFailure> {
  const after = Number(response.headers.get('retry-after') ?? NaN);
  const retryAfter = Number.isFinite(after) ? after : undefined;
  try {
    const body = (await response.json()) as {
      message?: string;
      status?: string;
      error?: string;
      error_description?: string;
      errors?: Record<string, string[]>;
    };
    const message = body.message ?? body.error_description ?? response.statusText;
    return new ApiFailure(response.status, body.status ?? body.error ?? 'unknown', message, body.errors, retryAfter);
  } catch {
    return new ApiFailure(response.status, 'unknown', `The server answered ${response.status}.`, {}, retryAfter);
  }
}
