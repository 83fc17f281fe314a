import { createLogger, type Logger } from './logger.js';
import { releaseMemory } from './release-memory.js';
import { StartError } from './start-error.js';

/** A service that has been started and can be stopped; what every `start` function returns. */
export interface RunningService {
  /** Base URL it answers on, such as `http://127.0.0.1:3000`. */
  readonly url: string;
  /** Stops taking work, finishes what is in flight (bounded), and gives everything back. Safe to call twice. */
  stop(): Promise<void>;
}

/** Longest that a stop may take before the process ends anyway, in milliseconds; what is unfinished is redelivered. */
const STOP_TIMEOUT_MS = 25_000;
/** What began with the start is over by then, in milliseconds. */
const SETTLED_MS = 2000;

/**
 * The whole of a service's `main`: reads its settings, starts it, stops it on SIGTERM or SIGINT with exit code 0, and
 * ends the process with code 1 and a message for people when it cannot start.
 *
 * @param name the service's name in its log lines
 * @param readSettings throws a StartError that names the settings that are wrong
 * @param start makes the running service; must not leave anything running when it throws
 */
export async function runService<S extends { LOG_LEVEL?: string | undefined }>(
  name: string,
  readSettings: () => S,
  start: (settings: S, logger: Logger) => Promise<RunningService>,
): Promise<void> {
  let logger = createLogger(name, 'info');
  let starting: Promise<RunningService>;
  try {
    const settings = readSettings();
    logger = createLogger(name, settings.LOG_LEVEL ?? 'info');
    starting = start(settings, logger);
    stopOnSignal(starting, logger);
    logger.info({ url: (await starting).url }, 'service.started');
    setTimeout(releaseMemory, SETTLED_MS).unref();
  } catch (error) {
    if (error instanceof StartError) process.stderr.write(`${error.message}\n`);
    else logger.fatal({ err: error }, 'service.start_failed');
    process.exit(1);
  }
}

function stopOnSignal(starting: Promise<RunningService>, logger: Logger): void {
  let stopping = false;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, 'service.stopping');
    setTimeout(() => {
      logger.error({ after_ms: STOP_TIMEOUT_MS }, 'service.stop_timed_out');
      process.exit(1);
    }, STOP_TIMEOUT_MS).unref();
    try {
      await (await starting).stop();
      logger.info('service.stopped');
      process.exit(0);
    } catch (error) {
      logger.error({ err: error }, 'service.stop_failed');
      process.exit(1);
    }
  };
  process.on('SIGTERM', (signal) => void stop(signal));
  process.on('SIGINT', (signal) => void stop(signal));
}
