import type { DataSource } from 'typeorm';
import { StartError, unlessAborted, waitBackoff, type Logger, type Settings } from '#runtime';
import { createDataSource, type DatabaseOptions } from './data-source.js';
import { explainDatabaseError } from './database-error.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { assertSchemaUsable } from './migrate.js';
import { checkServer } from './server-check.js';

/** A service that starts together with its database waits for it this long, in milliseconds. */
const START_TIMEOUT_MS = 60_000;
const BACKOFF = { firstMs: 100, maxMs: 2000 };
/** What is waited for is said again after this long, in milliseconds. */
const SAY_EVERY_MS = 1000;

export interface WaitOptions {
  /** Longest that the database is waited for, in milliseconds; a minute by default. */
  readonly timeoutMs?: number;
  /** Takes, in words, why the database cannot be used yet. */
  readonly tell?: ((reason: string) => void) | undefined;
  /** Ends the waiting at once. */
  readonly stopping?: AbortSignal | undefined;
}

/**
 * Connects a service that starts to its database, waiting (bounded) while the database starts too or is being migrated.
 *
 * @throws StartError when the database cannot be reached in time, or at once when it can never be used by this version; the reason
 *   of `stopping`
 */
export async function connectDatabase(
  options: DatabaseOptions,
  entities: NonNullable<DataSource['options']['entities']>,
  logger: Logger,
  { timeoutMs = START_TIMEOUT_MS, tell, stopping }: WaitOptions = {},
): Promise<DataSource> {
  const deadline = Date.now() + timeoutMs;
  let saidAt = -Infinity;
  tell?.('not connected yet');
  for (let attempt = 1; ; attempt++) {
    const dataSource = createDataSource(options, entities);
    try {
      await unlessAborted(checkServer(options.url, options.applicationName), stopping);
      await unlessAborted(dataSource.initialize(), stopping);
      await unlessAborted(assertSchemaUsable(dataSource), stopping);
      return dataSource;
    } catch (error) {
      const closed = dataSource.isInitialized ? dataSource.destroy() : Promise.resolve();
      await unlessAborted(closed, stopping); // which waits for what the database still owes
      if (error instanceof StartError) throw error;
      const reason = explainDatabaseError(error);
      tell?.(reason);
      if (Date.now() > deadline) throw new StartError(`The database cannot be used: ${reason}`, { cause: error });
      if (performance.now() - saidAt >= SAY_EVERY_MS) {
        logger.warn({ reason, attempt }, 'database.waiting');
        saidAt = performance.now();
      }
      await waitBackoff(attempt, BACKOFF, stopping);
      stopping?.throwIfAborted();
    }
  }
}

/**
 * Finds the database that a command works on: that of DATABASE_URL, or that of the all-in-one which is running on DATA_DIR.
 *
 * @param what it is, for people
 * @throws StartError when there is neither
 */
export async function databaseUrlOf(
  { DATABASE_URL, DATA_DIR }: Pick<Settings, 'DATABASE_URL' | 'DATA_DIR'>,
  what: string,
): Promise<string> {
  const url = DATABASE_URL ?? (await EmbeddedPostgres.findRunning(DATA_DIR));
  if (url !== undefined) return url;
  throw new StartError(
    `DATABASE_URL: is required: ${what}. (Without it, the database of an all-in-one that runs on ${DATA_DIR} is used, and none is running.)`,
  );
}
