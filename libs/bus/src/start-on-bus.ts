import { unlessAborted, within, type Logger } from '#runtime';

/** Longest that a start waits for the broker, in milliseconds. */
const BUS_START_MS = 10_000;

/**
 * Waits for what a start does on the bus, but not for long: after that the service runs without, and its readiness says so.
 *
 * @param starting goes on, however long it takes; that it fails, once the bus is closed, is logged
 * @param stopping aborted when the start is to be given up
 * @throws the reason of `stopping`
 */
export async function startOnBus(starting: Promise<void>, logger: Logger, stopping: AbortSignal | undefined): Promise<void> {
  starting.catch((error: unknown) => logger.warn({ err: error }, 'bus.start_failed'));
  await unlessAborted(
    within(BUS_START_MS, starting, () => undefined),
    stopping,
  );
}
