import type { DataSource } from 'typeorm';
import { StartError, waitBackoff, type Logger } from '#runtime';
import { createDataSource, type DatabaseOptions } from './data-source.js';
import { explainDatabaseError } from './database-error.js';
import { assertSchemaUsable } from './migrate.js';
import { checkServer } from './server-check.js';

/** A service that starts together with its database waits for it this long, in milliseconds. */
const START_TIMEOUT_MS = 60_000;
const BACKOFF = { firstMs: 100, maxMs: 2000 };

/**
 * Connects a service that starts to its database, waiting (bounded) while the database starts too or is being migrated.
 *
 * @throws StartError when the database cannot be reached in time, or at once when it can never be used by this version
 */
export async function connectDatabase(
  options: DatabaseOptions,
  entities: NonNullable<DataSource['options']['entities']>,
  logger: Logger,
  timeoutMs = START_TIMEOUT_MS,
): Promise<DataSource> {
  const deadline = Date.now() + timeoutMs;
  for (let attempt = 1; ; attempt++) {
    const dataSource = createDataSource(options, entities);
    try {
      await checkServer(options.url, options.applicationName);
      await dataSource.initialize();
      await assertSchemaUsable(dataSource);
      return dataSource;
    } catch (error) {
      if (dataSource.isInitialized) await dataSource.destroy();
      if (error instanceof StartError) throw error;
      const reason = explainDatabaseError(error);
      if (Date.now() > deadline) throw new StartError(`The database cannot be used: ${reason}`, { cause: error });
      logger.warn({ reason, attempt }, 'database.waiting');
      await waitBackoff(attempt, BACKOFF);
    }
  }
}
