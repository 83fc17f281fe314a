import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { afterAll, beforeAll, inject } from 'vitest';
import { createPool, EmbeddedPostgres, migrate } from '#database';

declare module 'vitest' {
  interface ProvidedContext {
    /** Server on which tests make their databases; its database `rollcall_template` is migrated. */
    postgresUrl: string;
  }
}

const TEMPLATE = 'rollcall_template';

/** Sets PostgreSQL up for a run (vitest global setup): one real server, and one migrated database that tests copy. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'rollcall-test-'));
  await chmod(directory, 0o755); // as root the server may run as another user
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const server = await EmbeddedPostgres.start(directory, ['fsync=off', 'max_connections=400'], say);
  await server.ensureDatabase(TEMPLATE);
  await migrate(server.url(TEMPLATE));
  project.provide('postgresUrl', server.url('postgres'));
  return () => server.discard();
}

export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  /** Drops the database, ending whoever is still connected. */
  drop(): Promise<void>;
}

/** Makes a migrated database of the caller's own. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const serverUrl = inject('postgresUrl');
  const name = `test_${randomBytes(6).toString('hex')}`;
  // Copies of one template exclude each other; the lock makes parallel test files wait instead of failing.
  await withClient(serverUrl, async (client) => {
    await client.query('select pg_advisory_lock(1)');
    await client.query(`create database ${name} template ${TEMPLATE}`);
  });
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return {
    url: url.toString(),
    name,
    drop: () =>
      withClient(serverUrl, async (client) => void (await client.query(`drop database if exists ${name} with (force)`))),
  };
}

/** Has all tests of a file or a describe share a migrated database of their own. @returns its pool, of one connection, as services have it */
export function useTestPool(): () => pg.Pool {
  let database: TestDatabase;
  let pool: pg.Pool;
  beforeAll(async () => {
    database = await createTestDatabase();
    pool = createPool({ url: database.url, applicationName: 'test', poolSize: 1 });
  });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });
  return () => pool;
}

async function withClient(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
