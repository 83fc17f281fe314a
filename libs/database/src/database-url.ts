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
  throw new StartError(`DATABASE_URL: is required: ${what} (no all-in-one is running on ${DATA_DIR}, whose own would be taken)`);
}
