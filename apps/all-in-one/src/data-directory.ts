import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, realpath, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readOrMakeSecret, reasonOf, StartError, type Settings } from '#runtime';

/** Paths of Unix sockets are cut off beyond this on some systems. */
const MAX_SOCKET_PATH = 100;

/** Held while a process uses a data directory. */
export interface DataDirectoryLock {
  release(): Promise<void>;
}

/**
 * Takes a data directory for this process. The lock is a listening Unix socket: the kernel closes it with the process,
 * however that ends, so a stale one is told apart for certain, which a file with a process id is not.
 *
 * @throws StartError when another process has the directory, or it cannot be used
 */
export async function lockDataDirectory(dataDir: string): Promise<DataDirectoryLock> {
  try {
    return await lock(dataDir);
  } catch (error) {
    if (error instanceof StartError) throw error;
    const words = `DATA_DIR: ${dataDir} cannot be used (${reasonOf(error)}): name a directory that this account may write.`;
    throw new StartError(words, { cause: error });
  }
}

async function lock(dataDir: string): Promise<DataDirectoryLock> {
  await mkdir(dataDir, { recursive: true });
  const path = socketPath(await realpath(dataDir));
  if (await isHeld(path))
    throw new StartError(`Rollcall is already running on ${dataDir}: stop it, or set DATA_DIR to another directory.`);
  await rm(path, { force: true });
  const server: Server = createServer((socket) => socket.end()).listen(path);
  server.unref();
  await once(server, 'listening');
  return {
    release: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

async function isHeld(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return false;
    throw error;
  } finally {
    socket.destroy();
  }
}

function socketPath(dataDir: string): string {
  const inside = join(dataDir, 'lock');
  if (inside.length <= MAX_SOCKET_PATH) return inside;
  return join(tmpdir(), `rollcall-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}.lock`);
}

/**
 * Returns the key to seal secrets with. A database of our own has a key of its own beside it, which survives with it and is the same
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
