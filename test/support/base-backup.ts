import { execFile } from 'node:child_process';
import { chown, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import type { EmbeddedPostgres } from '#database';
import { clusterOf } from '../../libs/database/src/server-place.js';

const run = promisify(execFile);

/**
 * Copies a running server's data directory as a base backup is made: it needs the WAL of since to become whole.
 *
 * @param from data directory of the server
 * @param to where the copy is put; not there yet
 * @returns the cluster in the copy
 */
export async function takeBaseBackup(server: EmbeddedPostgres, from: string, to: string): Promise<string> {
  const client = new pg.Client({ connectionString: server.url('postgres') });
  await client.connect();
  try {
    await client.query(`select pg_backup_start('test', true)`);
    await mkdir(to);
    await copyRunning(from, to);
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)');
    const cluster = await clusterOf(to);
    // The lock file names the server that runs, which is no orphan.
    await rm(join(cluster, 'postmaster.pid'), { force: true });
    await writeIntoCluster(cluster, 'backup_label', rows[0]!.labelfile);
    return cluster;
  } finally {
    await client.end();
  }
}

/** Writes a file into a cluster, as one of whoever the cluster belongs to. */
export async function writeIntoCluster(cluster: string, name: string, text: string): Promise<void> {
  const { uid, gid } = await stat(join(cluster, 'PG_VERSION'));
  const path = join(cluster, name);
  await writeFile(path, text, { mode: 0o600 });
  await chown(path, uid, gid);
}

/** Files that a server at work removes meanwhile are none that the copy needs: the write-ahead log tells. */
async function copyRunning(from: string, to: string): Promise<void> {
  await run('cp', ['-a', `${from}/.`, to]).catch((error: unknown) => {
    const { stderr = '' } = error as { stderr?: string };
    const others = stderr.split('\n').filter((line) => line !== '' && !line.includes('No such file or directory'));
    if (stderr === '' || others.length > 0) throw error;
  });
}
