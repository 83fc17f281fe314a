import type { Logger } from './logger.js';
import { ConfigError } from './config.js';

/** A service that has been started and can be stopped; what every `start` function returns. */
export interface RunningService {
  /** Base URL it answers on, such as `http://127.0.0.1:3000`. */
  readonly url: string;
  /** Stops taking work, finishes what is in flight (bounded), and gives everything back. Safe to call twice. */
  stop(): Promise<void>;
}

/** Longest that a stop may take before the process ends anyway, in milliseconds; what is unfinished is redelivered. */
const STOP_TIMEOUT_MS = 25_000;

/**
 * The whole of a service's `main`: starts it, stops it on SIGTERM or SIGINT with exit code 0, and ends the process with
 * code 1 and a message for people when it cannot start.
 */
export async function runService(logger: Logger, start: () => Promise<RunningService>): Promise<void> {
  let stopping = false;
  const started = start();
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, 'service.stopping');
    const timer = setTimeout(() => {
      logger.error('service.stop_timed_out');
      process.exit(1);
    }, STOP_TIMEOUT_MS);
    timer.unref();
    started
      .then((service) => service.stop())
      .then(() => logger.info('service.stopped'))
      .then(
        () => process.exit(0),
        (error: unknown) => {
          logger.error({ err: error }, 'service.stop_failed');
          process.exit(1);
        },
      );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  try {
    const service = await started;
    logger.info({ url: service.url }, 'service.started');
  } catch (error) {
    if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
    else logger.fatal({ err: error }, 'service.start_failed');
    process.exit(1);
  }
}
