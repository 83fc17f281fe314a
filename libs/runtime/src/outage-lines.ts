import type { LogFn, Logger } from 'pino';
import { isUnavailable, reasonOf } from './unavailable.js';

/** At most one line is written in this time, in milliseconds. */
const INTERVAL_MS = 1000;
/** Pino's number of the level at which a process ends: its last words are never left out. */
const FATAL = 60;

/**
 * Thins out what is logged while a dependency is away. Each request and each look at the database then fails for the same
 * reason, which no stack explains: one line a second says it, and how many were left out.
 */
export class OutageLines {
  private lastAt = -Infinity;
  private leftOut = 0;

  /** @param now milliseconds of a clock that only goes on */
  constructor(private readonly now: () => number = () => performance.now()) {}

  /**
   * Writes a line, writes it in its short form, or leaves it out: a pino hook (`logMethod`). Lines that are not about an error
   * of a dependency that is away pass as they are.
   */
  write(args: Parameters<LogFn>, method: LogFn, logger: Logger, level: number): void {
    const [fields, message] = args as [unknown, string?];
    const error = typeof fields === 'object' && fields !== null && 'err' in fields ? fields.err : undefined;
    if (!isUnavailable(error)) {
      method.apply(logger, args);
      return;
    }
    const now = this.now();
    if (level < FATAL && now - this.lastAt < INTERVAL_MS) {
      this.leftOut++;
      return;
    }
    const leftOut = this.leftOut > 0 ? { left_out: this.leftOut } : {};
    this.lastAt = now;
    this.leftOut = 0;
    method.call(logger, { ...(fields as object), err: undefined, reason: reasonOf(error), ...leftOut }, message);
  }
}
