import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createLogger, type Logger } from './logger.js';
import { onStopSignal } from './signals.js';
import { StartError } from './start-error.js';
import { isNodeTooOld, NODE_NEEDED } from './version.js';

/** A service that has been started and can be stopped; what every `start` function returns. */
export interface RunningService {
  /** Base URL it answers on, such as `http://127.0.0.1:3000`. */
  readonly url: string;
  /** Reports itself as not ready, so that clients go elsewhere, while it still answers everything. */
  drain(): void;
  /** Stops taking work, finishes what is in flight (bounded), and releases everything. Safe to call twice. */
  stop(): Promise<void>;
}

/** Lets a service and the process that it runs in tell each other of their end. */
export interface Lifetime {
  /** Aborted once the process has been told to end: a start that waits for something gives up, rejecting. */
  readonly stopping: AbortSignal;
  /** Ends the process, in order and with exit code 1, since the service can no longer work. @param reason a line for people */
  readonly fail: (reason: string) => void;
}

/** Longest that a stop may take before the process ends anyway, in milliseconds; what is unfinished is redelivered. */
const STOP_TIMEOUT_MS = 25_000;
/** The work of the start is over by then, in milliseconds. */
const SETTLED_MS = 2000;

/**
 * Runs the whole of a service's `main`: reads its settings, starts it, stops it on SIGTERM, SIGINT or SIGHUP with exit code 0, also while
 * it starts, and ends the process with code 1 and a message for people when it cannot start or go on.
 *
 * @param name the service's name in its log lines
 * @param readSettings throws a StartError that names the settings that are wrong
 * @param start makes the running service; must not leave anything running when it throws
 */
export async function runService<S extends { LOG_LEVEL?: string | undefined; SHUTDOWN_DELAY: number }>(
  name: string,
  readSettings: () => S,
  start: (settings: S, logger: Logger, lifetime: Lifetime) => Promise<RunningService>,
): Promise<never> {
  let logger = createLogger(name, 'info');
  try {
    const settings = readSettings();
    logger = createLogger(name, settings.LOG_LEVEL ?? 'info');
    const { node } = process.versions;
    if (isNodeTooOld(node)) logger.warn({ node, needed: NODE_NEEDED, lacks: 'telemetry in zstd' }, 'service.node_too_old');
    const end = endOf(logger, settings.SHUTDOWN_DELAY);
    try {
      await runUntil(end, await start(settings, logger, end), logger);
    } catch (error) {
      if (!end.stopping.aborted) throw error;
      logger.info({ reason: (error as Error).message }, 'service.start_given_up');
    }
    process.exit(end.exitCode());
  } catch (error) {
    if (error instanceof StartError) process.stderr.write(`${error.message}\n`);
    else logger.fatal({ err: error }, 'service.start_failed');
    process.exit(1);
  }
}

async function runUntil({ stopping, leaving }: End, service: RunningService, logger: Logger): Promise<void> {
  if (!stopping.aborted) {
    logger.info({ url: service.url }, 'service.started');
    setTimeout(releaseMemory, SETTLED_MS).unref();
    await once(stopping, 'abort');
    service.drain();
    if (!leaving.aborted) await once(leaving, 'abort');
  }
  try {
    await service.stop();
    logger.info('service.stopped');
  } catch (error) {
    logger.error({ err: error }, 'service.stop_failed');
    process.exit(1);
  }
}

interface End extends Lifetime {
  readonly exitCode: () => number;
  /** Aborted when those who call have had their time to find another instance. */
  readonly leaving: AbortSignal;
}

/**
 * The end of this process: by a signal with exit code 0, or by the service's own failure with 1. The first of them counts; a second
 * Ctrl-C takes away the delay.
 *
 * @param delayMs between SIGTERM, which an orchestrator sends while it still tells callers of us, and the stop
 */
function endOf(logger: Logger, delayMs: number): End {
  const stopping = new AbortController();
  const leaving = new AbortController();
  let exitCode = 0;
  const stop = (code: number, why: object, delay = 0): void => {
    if (delay === 0) leaving.abort();
    if (stopping.signal.aborted) return;
    setTimeout(() => leaving.abort(), delay);
    exitCode = code;
    logger.info(why, 'service.stopping');
    setTimeout(() => {
      logger.error({ after_ms: STOP_TIMEOUT_MS }, 'service.stop_timed_out');
      process.exit(1);
    }, delay + STOP_TIMEOUT_MS).unref();
    stopping.abort(new StartError('told to end'));
  };
  onStopSignal((signal) => stop(0, { signal }, signal === 'SIGTERM' ? delayMs : 0));
  const fail = (reason: string): void => {
    if (!stopping.signal.aborted) process.stderr.write(`${reason}\n`);
    stop(1, { reason });
  };
  return { stopping: stopping.signal, leaving: leaving.signal, fail, exitCode: () => exitCode };
}

/**
 * Returns the memory that only the start needed: loading and describing a service takes about twice what it needs afterwards,
 * and V8 keeps what it once had. Takes some tens of milliseconds.
 */
function releaseMemory(): void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as (options: Readonly<Record<string, string>>) => void;
  setFlagsFromString('--no-expose-gc');
  gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
