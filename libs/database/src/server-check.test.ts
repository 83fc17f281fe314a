import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { StartError } from '#runtime';
import { Pooler, type PoolerOptions } from '../../../test/support/pooler.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { connectDatabase } from './connect.js';
import { migrate } from './migrate.js';
import { checkServer } from './server-check.js';

const SILENT = pino({ level: 'silent' });

describe('what a database has to be', () => {
  let database: TestDatabase;
  let admin: pg.Client;
  const undo: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    admin = new pg.Client({ connectionString: inject('postgresUrl') });
    await admin.connect();
  });

  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  afterAll(async () => {
    await admin.end();
    await database.drop();
  });

  async function pooled(options: PoolerOptions): Promise<string> {
    const pooler = await Pooler.start(database.url, options);
    undo.push(() => pooler.stop());
    return pooler.url;
  }

  /** A database of its own; what it is made with is appended to its name. */
  async function newDatabase(how = ''): Promise<string> {
    const name = `test_${randomBytes(6).toString('hex')}`;
    await admin.query(`create database ${name} ${how}`);
    undo.push(() => admin.query(`drop database ${name} with (force)`));
    return urlWith({ pathname: `/${name}` });
  }

  function urlWith(changes: Partial<Pick<URL, 'pathname' | 'username' | 'password' | 'port' | 'search'>>): string {
    return Object.assign(new URL(database.url), changes).toString();
  }

  const serve = async (url: string) => {
    const dataSource = await connectDatabase({ url, applicationName: 'test', poolSize: 2 }, [], SILENT, { timeoutMs: 0 });
    await dataSource.destroy();
  };

  describe.each<[string, (url: string) => Promise<unknown>]>([
    ['a service', serve],
    ['migrate', migrate],
  ])('%s', (_who, use) => {
    it.each<PoolerOptions>([
      { mode: 'transaction', size: 1 },
      { mode: 'transaction', size: 2, lend: 'first' },
      { mode: 'transaction', size: 3, lend: 'first' },
      { mode: 'transaction', size: 5 },
    ])('refuses a pooler in transaction mode in one sentence: %o', async (options) => {
      const refused = await use(await pooled(options)).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(StartError);
      expect((refused as StartError).message).toMatch(
        /^DATABASE_URL: leads to a connection pooler in transaction mode.*session mode/,
      );
      expect((refused as StartError).message).not.toContain('\n');
    });

    it('goes through a pooler in session mode, which knows no settings', async () => {
      await use(await pooled({ mode: 'session', size: 6 }));
    });

    it('refuses a database whose encoding cannot hold every name', async () => {
      for (const encoding of ['LATIN1', 'SQL_ASCII']) {
        const url = await newDatabase(`encoding '${encoding}' locale 'C' template template0`);
        await expect(use(url)).rejects.toThrow(new RegExp(`encoding is ${encoding}.*'UTF8'`));
      }
    });

    it('says in one line what is wrong, and what to do', async () => {
      const role = `test_${randomBytes(6).toString('hex')}`;
      await admin.query(`create role ${role} login password 'right'`);
      undo.push(() => admin.query(`drop role ${role}`));
      const noPublic = new URL(await newDatabase());
      const inside = new pg.Client({ connectionString: noPublic.toString() });
      await inside.connect();
      await inside.query('drop schema public');
      await inside.end();
      const locked = await newDatabase();
      const lockedDown = new pg.Client({ connectionString: locked });
      await lockedDown.connect();
      await lockedDown.query('create table public.rollcall_migration (id int, timestamp bigint, name text)');
      await lockedDown.query('revoke all on schema public from public');
      await lockedDown.end();
      const cases: [string, RegExp][] = [
        [urlWith({ username: role, password: 'wrong' }), /password authentication failed.*check the user and the password/],
        [urlWith({ username: role, password: '' }), /DATABASE_URL has none/],
        [urlWith({ username: `no_${role}`, password: 'x' }), /authentication failed|does not exist/],
        [urlWith({ pathname: `/${role}` }), /database "test_\w+" does not exist: create the database/],
        [urlWith({ search: '?sslmode=verify-full' }), /does not support SSL connections: switch TLS on/],
        [
          urlWith({ search: '?sslmode=verify-full&sslrootcert=/not/there.pem' }),
          /not\/there\.pem.*a file that DATABASE_URL names/,
        ],
        [urlWith({ port: '1' }), /ECONNREFUSED.*check host and port/],
        [Object.assign(new URL(locked), { username: role, password: 'right' }).toString(), /permission denied.*grant it/],
        [noPublic.toString(), /public|npm run migrate/],
      ];
      for (const [url, words] of cases) {
        const refused = (await use(url).catch((error: unknown) => error)) as StartError;
        expect(refused, url).toBeInstanceOf(StartError);
        expect(refused.message, url).toMatch(words);
        expect(refused.message, url).toMatch(/^[^\n]{20,300}$/);
        expect(refused.message, url).not.toContain('right');
      }
    });
  });

  it('leaves no session behind', async () => {
    const name = `check-${randomBytes(4).toString('hex')}`;
    await checkServer(database.url, name);
    await expect
      .poll(async () => (await admin.query('select from pg_stat_activity where application_name = $1', [name])).rowCount)
      .toBe(0);
  });
});
