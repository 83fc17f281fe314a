import { StartError, type Settings } from '#runtime';
import { EmbeddedPostgres } from './embedded-postgres.js';

/**
 * The database that a command works on: that of DATABASE_URL, or that of the all-in-one which is running on DATA_DIR.
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
