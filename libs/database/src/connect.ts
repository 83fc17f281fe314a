import type { DataSource } from 'typeorm';
import { StartError, waitBackoff, type Logger } from '#runtime';
import { createDataSource, type DatabaseOptions } from './data-source.js';
import { assertSchemaCurrent } from './migrate.js';

/** A service that starts together with its database waits for it this long, in milliseconds. */
const START_TIMEOUT_MS = 60_000;
const BACKOFF = { firstMs: 100, maxMs: 2000 };

/**
 * Connects a service that starts to its database, waiting (bounded) while the database starts too or is being migrated.
 *
 * @throws StartError when the database cannot be reached in time, or its schema is not this version's
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
      await dataSource.initialize();
      await assertSchemaCurrent((sql) => dataSource.query(sql));
      return dataSource;
    } catch (error) {
      if (dataSource.isInitialized) await dataSource.destroy();
      const reason = error instanceof AggregateError ? (error.errors as Error[])[0]?.message : (error as Error).message;
      if (Date.now() > deadline) throw new StartError(`The database cannot be used: ${reason}`, { cause: error });
      logger.warn({ reason, attempt }, 'database.waiting');
      await waitBackoff(attempt, BACKOFF);
    }
  }
}
