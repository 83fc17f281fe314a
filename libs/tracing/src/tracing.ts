import { startWithCleanup, type Logger, type RunningService } from '#runtime';
import { recordWith } from './hops.js';
import { tracingOptionsOf, type TracingSettings } from './tracing-options.js';

/**
 * Starts a process's services with tracing, where its settings ask for it: one for the process, which the all-in-one's services share.
 * The last spans are sent when the services have stopped.
 *
 * @param process its name
 * @throws what `start` throws; nothing is then left running
 */
export function startTraced(
  settings: TracingSettings,
  process: string,
  logger: Logger,
  start: () => Promise<RunningService>,
): Promise<RunningService> {
  return startWithCleanup(async (undo) => {
    undo.push(await startTracing(settings, process, logger));
    const running = await start();
    undo.push(() => running.stop());
    return running;
  });
}

/** @returns stops it: what waits is sent, where that takes no longer than 2 s */
async function startTracing(settings: TracingSettings, process: string, logger: Logger): Promise<() => Promise<void>> {
  const { options, problems } = tracingOptionsOf(settings, process);
  if (problems.length > 0) logger.warn({ problems }, 'tracing.settings_not_used');
  if (!options) return () => Promise.resolve();
  const { startSdk } = await import('./sdk.js');
  const sdk = startSdk(options, logger);
  recordWith(sdk.recording);
  logger.info({ endpoint: new URL(options.url).origin, sampling: options.sampling }, 'tracing.started');
  return () => {
    recordWith(undefined);
    return sdk.stop();
  };
}
