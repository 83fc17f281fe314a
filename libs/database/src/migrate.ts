import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { howToRun, StartError } from '#runtime';
import { createDataSource, MIGRATIONS } from './data-source.js';
import { explainDatabaseError } from './database-error.js';
import { compareSchema, type AppliedMigration, type SchemaState } from './schema-compatibility.js';
import { checkServer } from './server-check.js';
import { sessionSetup } from './session.js';

const APPLICATION_NAME = 'rollcall-migrate';
/** Held while migrating, so that services that start together do it once. */
const MIGRATION_LOCK = 7_262_001;
const LOCK_POLL_MS = 200;
/** A migration that waits for a lock gives up after so long, in milliseconds, and tries again: whoever comes after it waits too. */
const LOCK_TIMEOUT_MS = 50;
/**
 * Has an automatic vacuum that holds the table make way within that time, where the role may say so: the server asks it to when it looks for
 * deadlocks, by default after a second.
 */
const DISPLACE_VACUUMS = `
  do $$ begin
    perform set_config('deadlock_timeout', '20ms', false);
  exception when insufficient_privilege then null;
  end $$`;
/** Longest that others are waited for, in milliseconds: whoever migrates too, and whoever holds a table. */
const PATIENCE_MS = 60_000;
const TELL_AGAIN_MS = 5000;
const CONNECT_TIMEOUT_MS = 10_000;

const LOCK_NOT_AVAILABLE = '55P03';
const DEADLOCK = '40P01';
const NO_SUCH_TABLE = '42P01';

/** What a migration did, or found. */
export interface Migrated {
  /** Names of the migrations that were run. */
  readonly run: string[];
  /** Names of the migrations that the database has beyond this version, which may run with them. */
  readonly ahead: readonly string[];
}

export interface MigrateOptions {
  /** Takes a line for people while something is waited for. */
  readonly tell?: (line: string) => void;
  /** Longest that others are waited for, in milliseconds; a minute by default. */
  readonly patienceMs?: number;
}

/**
 * Brings a database up to this version of the code; does nothing where it already is, or is ahead and says that this version
 * may run on it.
 *
 * @param url of a role that may create schemas
 * @throws StartError that says in words why it cannot be done: the database cannot be reached or used, this version is too old
 *   for it, or others hold what is needed for longer than is waited
 */
export async function migrate(url: string, { tell, patienceMs = PATIENCE_MS }: MigrateOptions = {}): Promise<Migrated> {
  const patience = { until: Date.now() + patienceMs, tell: tell ?? (() => undefined) };
  return underLock(url, patience, (dataSource) => runMigrations(dataSource, patience));
}

/** A migration, and how a database stands to it. */
export interface ListedMigration {
  readonly name: string;
  /** Of those that the code does not know: `ahead`, this version may run with it; `too_new`: it may not. */
  readonly state: 'applied' | 'missing' | 'ahead' | 'too_new';
}

/**
 * Says which migrations a database has and lacks, in order.
 *
 * @throws StartError when it cannot be reached or used
 */
export function listMigrations(url: string): Promise<ListedMigration[]> {
  return underLock(url, { until: Date.now() + PATIENCE_MS, tell: () => undefined }, async (dataSource) => {
    const state = await readSchemaState(dataSource);
    const missing = new Set(state ? state.missing : MIGRATIONS.map(({ name }) => name));
    return [
      ...MIGRATIONS.map(({ name }) => ({ name, state: missing.has(name) ? ('missing' as const) : ('applied' as const) })),
      ...(state?.ahead ?? []).map((name) => ({ name, state: 'ahead' as const })),
      ...(state?.tooNew ?? []).map((name) => ({ name, state: 'too_new' as const })),
    ];
  });
}

/**
 * Takes the newest migration of a database back; what it added goes with it.
 *
 * @returns its name
 * @throws StartError when there is none, or this version of the code does not know it
 */
export function revertMigration(url: string): Promise<string> {
  return underLock(url, { until: Date.now() + PATIENCE_MS, tell: () => undefined }, async (dataSource) => {
    const state = await readSchemaState(dataSource);
    const unknown = [...(state?.ahead ?? []), ...(state?.tooNew ?? [])];
    if (unknown.length > 0)
      throw new StartError(`This version does not know ${unknown.join(', ')}: use the version that added it to revert it`);
    const newest = MIGRATIONS.findLast(({ name }) => state && !state.missing.includes(name));
    if (!newest) throw new StartError('The database has no migration to revert');
    await dataSource.undoLastMigration({ transaction: 'each' });
    return newest.name;
  });
}

/** Works on a database that nobody else migrates meanwhile. @throws StartError that says in words what stands in the way */
async function underLock<Result>(
  url: string,
  patience: Patience,
  work: (dataSource: DataSource) => Promise<Result>,
): Promise<Result> {
  try {
    await checkServer(url, APPLICATION_NAME);
    return await workLocked(url, patience, work);
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`The database cannot be migrated: ${explainDatabaseError(error)}`, { cause: error });
  }
}

async function workLocked<Result>(
  url: string,
  patience: Patience,
  work: (dataSource: DataSource) => Promise<Result>,
): Promise<Result> {
  const lock = new pg.Client({
    connectionString: url,
    application_name: APPLICATION_NAME,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  lock.on('error', () => undefined); // a connection that breaks: the lock is gone with it, and a migration is a transaction
  await lock.connect();
  try {
    await lock.query(sessionSetup({}));
    await takeLock(lock, patience);
    const dataSource = await createDataSource({
      url,
      applicationName: APPLICATION_NAME,
      poolSize: 1,
      statementTimeoutMs: 0,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
    }).initialize();
    try {
      return await work(dataSource);
    } finally {
      await dataSource.destroy();
    }
  } finally {
    await lock.end();
  }
}

/** How long others are waited for, and who is told. */
interface Patience {
  /** Milliseconds since the epoch. */
  readonly until: number;
  readonly tell: (line: string) => void;
}

async function takeLock(lock: pg.Client, { until, tell }: Patience): Promise<void> {
  for (let toldAt = 0; ; await delay(LOCK_POLL_MS)) {
    const { rows } = await lock.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [MIGRATION_LOCK]);
    if (rows[0]!.taken) return;
    const isOver = Date.now() >= until;
    if (!isOver && Date.now() - toldAt < TELL_AGAIN_MS) continue;
    toldAt = Date.now();
    const holder = await findLockHolder(lock);
    if (isOver)
      throw new StartError(`Another process migrates this database and has not finished: ${holder}. Try again, or end it.`);
    tell(`waiting for another process that migrates this database: ${holder}`);
  }
}

/** Names the session that holds the lock, so that an operator finds it. */
async function findLockHolder(lock: pg.Client): Promise<string> {
  const { rows } = await lock.query<{ holder: string }>(
    `select format('process %s of the server, %s at %s, since %s', a.pid, coalesce(nullif(a.application_name, ''), 'unnamed'),
                   coalesce(host(a.client_addr), 'a local socket'), to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ')) as holder
     from pg_locks l join pg_stat_activity a on a.pid = l.pid
     where l.locktype = 'advisory' and l.database = (select oid from pg_database where datname = current_database())
       and l.classid = 0 and l.objid = $1::bigint and l.objsubid = 1 and l.granted`,
    [MIGRATION_LOCK],
  );
  return rows[0]?.holder ?? 'it has just ended';
}

async function runMigrations(dataSource: DataSource, { until, tell }: Patience): Promise<Migrated> {
  const before = await readSchemaState(dataSource);
  if (before) refuseTooNew(before);
  for (let toldAt = 0; ;) {
    try {
      await dataSource.query(DISPLACE_VACUUMS);
      await dataSource.runMigrations({ transaction: 'each' });
      break;
    } catch (error) {
      if (!isHeldUp(error)) throw error;
      if (Date.now() >= until)
        throw new StartError(
          'The database cannot be migrated: other sessions, such as pg_dump, hold its tables. Try again when they are done; what was migrated so far stays.',
          { cause: error },
        );
      if (Date.now() - toldAt >= TELL_AGAIN_MS)
        tell('waiting for other sessions that hold tables of the database, such as pg_dump');
      toldAt = Date.now();
      await delay(LOCK_POLL_MS);
    }
  }
  await noteCompatibility(dataSource);
  const after = await readSchemaState(dataSource);
  const run = MIGRATIONS.map(({ name }) => name).filter((name) => before?.missing.includes(name) ?? true);
  return { run, ahead: after?.ahead ?? [] };
}

/** A migration that others keep from a lock is rolled back whole, so it can be tried again. */
function isHeldUp(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === LOCK_NOT_AVAILABLE || code === DEADLOCK;
}

/** Says for older versions which of the migrations they may run with. Those of which nothing is said they refuse. */
async function noteCompatibility(dataSource: DataSource): Promise<void> {
  const declared = MIGRATIONS.filter(({ compatibleFrom }) => compatibleFrom !== undefined);
  await dataSource.query(
    `update public.rollcall_migration m set compatible_from = d.compatible_from
     from unnest($1::text[], $2::bigint[]) as d (name, compatible_from)
     where m.name = d.name and m.compatible_from is null`,
    [declared.map(({ name }) => name), declared.map(({ compatibleFrom }) => compatibleFrom)],
  );
}

/** @returns undefined where no migration was ever run */
async function readSchemaState(dataSource: DataSource): Promise<SchemaState | undefined> {
  try {
    // Read through JSON, since what was migrated by an older version has no such column.
    const applied: AppliedMigration[] = await dataSource.query(
      `select name, timestamp, (to_jsonb(m) ->> 'compatible_from')::bigint as "compatibleFrom" from public.rollcall_migration m`,
    );
    return compareSchema(
      MIGRATIONS.map(({ name }) => name),
      applied,
    );
  } catch (error) {
    if ((error as { code?: string }).code === NO_SUCH_TABLE) return undefined;
    throw error;
  }
}

function refuseTooNew({ tooNew }: SchemaState): void {
  if (tooNew.length > 0)
    throw new StartError(
      `The database was migrated by a newer version, which this one is too old for (${tooNew.join(', ')}): use that version`,
    );
}

/**
 * Refuses a database that this version of the code cannot run on: behind it, or further ahead than is compatible.
 *
 * @throws StartError where this version is too old; waiting does not help
 * @throws Error that says what is missing, and what to do
 */
export async function assertSchemaUsable(dataSource: DataSource): Promise<void> {
  const state = await readSchemaState(dataSource);
  if (!state) throw new Error(`the database is not migrated: run \`${howToRun('migrate')}\``);
  refuseTooNew(state);
  if (state.missing.length > 0) throw new Error(`the database lacks ${state.missing.join(', ')}: run \`${howToRun('migrate')}\``);
}
