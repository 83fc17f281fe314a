import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { migrate } from '#database';
import { endWithUs } from '#runtime';
import { eventually } from './poll.js';
import { freePorts } from './process.js';

const run = promisify(execFile);
/** Where Debian puts the oldest version that we support. */
const BINARIES = '/usr/lib/postgresql/15/bin';

/** Whether PostgreSQL 15 is installed on this machine, beside the version that tests bring along. */
export const HAS_POSTGRES_15 = existsSync(join(BINARIES, 'postgres'));

/** A PostgreSQL 15 of the caller's own, with one migrated database. */
export class InstalledPostgres {
  private constructor(
    private readonly server: ChildProcess,
    private readonly directory: string,
    readonly url: string,
  ) {}

  static async start(): Promise<InstalledPostgres> {
    const directory = await mkdtemp(join(tmpdir(), 'rollcall-pg15-'));
    const account = userInfo().uid === 0 ? await accountOf('postgres') : undefined; // it refuses to run as root
    if (account) await chown(directory, account.uid, account.gid);
    const [port] = await freePorts(1);
    const data = join(directory, 'data');
    await run(join(BINARIES, 'initdb'), ['-D', data, '-U', 'rollcall', '-A', 'trust', '-E', 'UTF8'], {
      ...account,
      cwd: directory,
    });
    const args = ['-D', data, '-p', String(port), '-k', directory, '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'];
    const server = spawn(join(BINARIES, 'postgres'), args, { ...account, cwd: directory, stdio: 'ignore' });
    endWithUs(server, 'SIGINT');
    const url = `postgresql://rollcall@127.0.0.1:${port}/postgres`;
    await eventually('PostgreSQL 15', async () => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.end();
      return true;
    });
    await migrate(url);
    return new InstalledPostgres(server, directory, url);
  }

  async stop(): Promise<void> {
    this.server.kill('SIGINT');
    if (this.server.exitCode === null) await once(this.server, 'exit');
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function accountOf(name: string): Promise<{ readonly uid: number; readonly gid: number }> {
  const idOf = async (flag: string): Promise<number> => Number((await run('id', [flag, name])).stdout);
  return { uid: await idOf('-u'), gid: await idOf('-g') };
}
