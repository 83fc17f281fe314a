import pg from 'pg';
import { createDataSource, MIGRATIONS } from './data-source.js';

/** Held while migrating, so that services that start together do it once. */
const MIGRATION_LOCK = 7_262_001;

/**
 * Brings a database up to this version of the code; does nothing where it already is.
 *
 * @param url of a role that may create schemas
 * @returns the names of the migrations that were run
 * @throws Error when the database cannot be reached or was migrated by a newer version
 */
export async function migrate(url: string): Promise<string[]> {
  const lock = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await lock.connect();
  try {
    await lock.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const dataSource = await createDataSource({ url, applicationName: 'rollcall-migrate', poolSize: 2 }).initialize();
    try {
      const run = await dataSource.runMigrations({ transaction: 'each' });
      return run.map((migration) => migration.name);
    } finally {
      await dataSource.destroy();
    }
  } finally {
    await lock.end();
  }
}

/**
 * Refuses a database that this version of the code does not know: behind it, or ahead of it.
 *
 * @throws Error that says which, and what to do
 */
export async function assertSchemaCurrent(query: (sql: string) => Promise<{ name: string }[]>): Promise<void> {
  const known = new Set(MIGRATIONS.map((migration) => migration.name));
  let applied: string[];
  try {
    applied = (await query('select name from rollcall_migration')).map(({ name }) => name);
  } catch (error) {
    if ((error as { code?: string }).code === '42P01')
      throw new Error('the database is not migrated: run `npm run migrate`', { cause: error });
    throw error;
  }
  const missing = [...known].filter((name) => !applied.includes(name));
  if (missing.length > 0) throw new Error(`the database lacks ${missing.join(', ')}: run \`npm run migrate\``);
  const unknown = applied.filter((name) => !known.has(name));
  if (unknown.length > 0) throw new Error(`the database is ahead of this version: it has ${unknown.join(', ')}`);
}
