import { migrate } from '#database';
import { createLogger, readSettings, StartError } from '#runtime';

/** `npm run migrate`: brings the database of DATABASE_URL up to this version, and ends. Contract §8. */
const logger = createLogger('migrate', 'info');
try {
  const { DATABASE_URL: url } = readSettings();
  if (url === undefined) throw new StartError('DATABASE_URL: is required: the database to bring up to date');
  const { run, ahead } = await migrate(url, { tell: (reason) => logger.warn({ reason }, 'database.waiting') });
  if (ahead.length > 0) logger.info({ ahead, reason: 'the database is ahead of this version, and compatible' }, 'database.ahead');
  logger.info({ migrations: run }, 'database.migrated');
} catch (error) {
  if (error instanceof StartError) process.stderr.write(`${error.message}\n`);
  else logger.fatal({ err: error }, 'database.migration_failed');
  process.exitCode = 1;
}
