/** System errors of a connection that could not be made or broke. */
const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'ETIMEDOUT',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/**
 * PostgreSQL's own "not now": connection exceptions (08), insufficient resources (53), operator intervention (57, which
 * statement timeouts belong to), the timeouts of transactions, a database that is gone, a standby after a failover, and
 * transactions that lost against another one.
 */
const SQL_STATES = /^(08...|53...|57P..|57014|25006|25P0[345]|3D000|55P03|40001|40P01)$/;

/** Messages of node-postgres and TypeORM that come without a code. */
const MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|Cannot use a pool after calling end|Driver not Connected|Client was closed|database .* is not currently accepting connections)/i;

/** Tells whether an error, or what it wraps, says that a dependency cannot be reached now: the caller is told 503 and may retry. */
export function isUnavailable(error: unknown, depth = 0): boolean {
  if (typeof error !== 'object' || error === null || depth > 5) return false;
  const { code, syscall, message, cause, driverError, errors } = error as Record<string, unknown>;
  if (typeof code === 'string' && (CONNECTION_CODES.has(code) || SQL_STATES.test(code))) return true;
  // Of a Unix socket that goes with its server.
  if (code === 'ENOENT' && syscall === 'connect') return true;
  if (typeof message === 'string' && MESSAGES.test(message)) return true;
  const wrapped = [cause, driverError, ...(Array.isArray(errors) ? (errors as unknown[]) : [])];
  return wrapped.some((inner) => isUnavailable(inner, depth + 1));
}

/** Says an error in one line: its message, or that of the first one that it stands for. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
