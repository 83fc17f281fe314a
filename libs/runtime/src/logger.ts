import type { LoggerService } from '@nestjs/common';
import { pino, type DestinationStream, type Logger, type LoggerOptions } from 'pino';
import { PinoPretty as pretty } from 'pino-pretty';
import { OutageLines } from './outage-lines.js';

export type { Logger } from 'pino';

/** Fields that never reach a log, wherever they stand. */
const SECRET_PATHS = [
  'secret',
  'client_secret',
  'access_token',
  'authorization',
  '*.secret',
  '*.client_secret',
  '*.access_token',
  '*.authorization',
];

/** One for the process: the services of the all-in-one share a database, and lose it together. */
const outageLines = new OutageLines();

/** Standard output: words for a person at a terminal, JSON for everything else. One for the process, too. */
const output: DestinationStream = process.stdout.isTTY ? linesForPeople({ destination: 1, colorize: true }) : pino.destination(1);

/**
 * Makes of each line of a log one that a person reads: time, level, service and event, then the fields.
 *
 * @param to the stream or file descriptor that they go to
 */
export function linesForPeople(to: {
  readonly destination: number | NodeJS.WritableStream;
  readonly colorize: boolean;
}): DestinationStream {
  return pretty({
    ...to,
    sync: true,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid,hostname,service',
    messageFormat: '{service}: {msg}',
  });
}

/**
 * Makes a logger that writes one line per unit of work on standard output, under a dotted event name such as `telemetry.applied`: JSON,
 * or on a terminal words. While a dependency is away, one line a second at most.
 *
 * @param service stands in every line, so that the all-in-one's lines can be told apart
 */
export function createLogger(service: string, level: string): Logger {
  const options: LoggerOptions = {
    level,
    base: { service },
    redact: SECRET_PATHS,
    timestamp: pino.stdTimeFunctions.isoTime,
    hooks: {
      logMethod(args, method, level) {
        outageLines.write(args, method, this, level);
      },
    },
  };
  return pino(options, output);
}

/** Nest's own messages through the service's logger: its start-up chatter only at `debug`. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, context?: unknown): void {
    this.logger.debug({ context }, String(message));
  }

  warn(message: unknown, context?: unknown): void {
    this.logger.warn({ context }, String(message));
  }

  error(message: unknown, ...rest: unknown[]): void {
    if (message instanceof Error) this.logger.error({ err: message }, message.message);
    else this.logger.error({ detail: rest }, String(message));
  }

  debug(message: unknown, context?: unknown): void {
    this.logger.debug({ context }, String(message));
  }

  verbose(message: unknown, context?: unknown): void {
    this.logger.trace({ context }, String(message));
  }

  fatal(message: unknown, context?: unknown): void {
    this.logger.fatal({ context }, String(message));
  }
}
