import { join } from 'node:path';
import { readOrMakeSecret, type Settings } from '#runtime';

/**
 * The key to seal secrets with. A database of our own has a key of its own beside it, which survives with it and is the same
 * whatever is started on it: the all-in-one, or the local cluster.
 *
 * @returns undefined where the database is somebody else's and no key is set
 */
export async function encryptionKeyOf(
  settings: Pick<Settings, 'ENCRYPTION_KEY' | 'DATABASE_URL' | 'DATA_DIR'>,
): Promise<string | undefined> {
  if (settings.ENCRYPTION_KEY !== undefined || settings.DATABASE_URL !== undefined) return settings.ENCRYPTION_KEY;
  return readOrMakeSecret(join(settings.DATA_DIR, 'encryption.key'));
}
