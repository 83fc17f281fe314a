import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { StartError } from './start-error.js';

/**
 * Reads a random secret that is kept in a file only its owner can read; makes it the first time.
 *
 * @throws StartError when the file is another account's
 */
export async function readOrMakeSecret(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES')
      throw new StartError(`${file} belongs to another account: run as that one, or set DATA_DIR to another directory.`, {
        cause: error,
      });
    if (code !== 'ENOENT') throw error;
    const secret = randomBytes(24).toString('base64url');
    await writeFile(file, secret, { mode: 0o600 });
    return secret;
  }
}
