import { databaseUrlOf, migrate } from '#database';
import { createLogger, endOnSigterm, readSettings, StartError } from '#runtime';

/** `npm run migrate`: brings the database of DATABASE_URL, or of the all-in-one that runs here, up to this version, and ends. */
const logger = createLogger('migrate', 'info');
endOnSigterm();
try {
  const url = await databaseUrlOf(readSettings(undefined, ['DATABASE_URL', 'DATA_DIR']), 'the database to bring up to date');
  const { run, ahead } = await migrate(url, { tell: (reason) => logger.warn({ reason }, 'database.waiting') });
  if (ahead.length > 0) logger.info({ ahead, reason: 'the database is ahead of this version, and compatible' }, 'database.ahead');
  logger.info({ migrations: run }, 'database.migrated');
} catch (error) {
  if (error instanceof StartError) process.stderr.write(`${error.message}\n`);
  else logger.fatal({ err: error }, 'database.migration_failed');
  process.exitCode = 1;
}
