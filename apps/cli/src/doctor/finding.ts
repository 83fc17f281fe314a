/** Result of one check of `doctor`. */
export interface Finding {
  /** What was looked at, such as `database.version`. */
  readonly check: string;
  readonly status: 'ok' | 'warning' | 'error';
  /** What is so, in words. */
  readonly found: string;
  /** What to do; where there is nothing to do, it is left out. */
  readonly remedy?: string;
}

export function ok(check: string, found: string): Finding {
  return { check, status: 'ok', found };
}

export function warning(check: string, found: string, remedy: string): Finding {
  return { check, status: 'warning', found, remedy };
}

export function error(check: string, found: string, remedy: string): Finding {
  return { check, status: 'error', found, remedy };
}
