import pg from 'pg';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/poll.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { MIGRATIONS } from './data-source.js';
import { migrate } from './migrate.js';

describe('migrate', () => {
  let database: TestDatabase;
  let client: pg.Client;

  beforeAll(async () => {
    database = await createTestDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
  });

  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  it('does nothing the second time', async () => {
    expect(await migrate(database.url)).toEqual({ run: [], ahead: [] });
  });

  it('says for older versions which migrations they may run with', async () => {
    const { rows } = await client.query<{ name: string; compatible_from: string | null }>(
      'select name, compatible_from from public.rollcall_migration',
    );
    const said = new Map(rows.map(({ name, compatible_from }) => [name, compatible_from]));
    for (const { name, compatibleFrom } of MIGRATIONS) expect(said.get(name)).toBe(compatibleFrom?.toString() ?? null);
  });

  it('never waits without a word for who else migrates, nor for ever', async () => {
    const other = new pg.Client({ connectionString: database.url, application_name: 'somebody else' });
    await other.connect();
    try {
      await other.query('select pg_advisory_lock(7262001)');
      const told: string[] = [];
      await expect(migrate(database.url, { patienceMs: 500, tell: (line) => told.push(line) })).rejects.toThrow(
        /^Another process migrates this database and has not finished: process \d+ of the server, somebody else at 127\.0\.0\.1, since /,
      );
      expect(told[0]).toMatch(/^waiting for another process that migrates this database: process \d+ .*somebody else/);
      const waiting = migrate(database.url);
      await other.query('select pg_advisory_unlock(7262001)');
      expect(await waiting).toEqual({ run: [], ahead: [] });
    } finally {
      await other.end();
    }
  });

  /** As it was before a migration that takes a lock on a table that is read and written all day. */
  async function undoLastMigration(): Promise<void> {
    const { rows } = await client.query('delete from public.rollcall_migration where timestamp = 1764000000007 returning name');
    expect(rows).toHaveLength(1);
    await client.query(
      `alter table access.application drop column previous_secret_hash cascade, drop column previous_secret_expires_at`,
    );
  }

  it('never has writers queue up behind it while somebody else, such as pg_dump, holds a table', async () => {
    await undoLastMigration();
    const dump = new pg.Client({ connectionString: database.url });
    await dump.connect();
    try {
      await dump.query('begin');
      await dump.query('lock table access.application in access share mode');
      const told: string[] = [];
      const waiting = migrate(database.url, { tell: (line) => told.push(line) });
      await eventually('it waits', () => told.length > 0);
      // Each write comes after a lock that the migration waits for, and would wait for the dump to end.
      await client.query(`set statement_timeout = '5s'`);
      for (let nth = 0; nth < 20; nth++)
        await client.query(`insert into access.application (app_id, secret_hash, client_id, access) values ($1, 'x', 1, 'all')`, [
          `written-meanwhile-${nth}`,
        ]);
      await expect(migrate(database.url, { patienceMs: 300 })).rejects.toThrow(/Another process migrates/);
      await dump.query('commit');
      expect(await waiting).toEqual({ run: ['ApplicationRotation1764000000007'], ahead: [] });
    } finally {
      await client.query('set statement_timeout = 0');
      await dump.end();
    }
  });

  it('gives up in words where a table is held for too long, and leaves nothing half done', async () => {
    await undoLastMigration();
    const dump = new pg.Client({ connectionString: database.url });
    await dump.connect();
    try {
      await dump.query('begin');
      await dump.query('lock table access.application in access share mode');
      await expect(migrate(database.url, { patienceMs: 500 })).rejects.toThrow(
        /other sessions, such as pg_dump, hold its tables/,
      );
    } finally {
      await dump.end();
    }
    expect((await migrate(database.url)).run).toEqual(['ApplicationRotation1764000000007']);
  });

  it('knows the smallest UUIDv7 of a time', async () => {
    const at = new Date('2026-11-22T10:00:00.123Z');
    const { rows } = await client.query('select presence.uuid_v7_floor($1) as floor', [at]);
    const millis = at.getTime().toString(16).padStart(12, '0');
    expect(rows).toEqual([{ floor: `${millis.slice(0, 8)}-${millis.slice(8)}-0000-0000-000000000000` }]);
  });

  it('logs an available agent out when it is removed, and publishes that', async () => {
    const changeId = uuidv7();
    await client.query(`select presence.put_agent(12, 'local', 136, '000*094@ringme.ru')`);
    await client.query(`update presence.agent set agent_status = 'available', sequence = 3 where agent_id = 136`);
    const removed = await client.query(`select presence.remove_agent(12, 'local', 136, $1) as sequence`, [changeId]);
    expect(removed.rows).toEqual([{ sequence: '4' }]);
    const outbox = await client.query('select change_id from presence.outbox');
    expect(outbox.rows).toEqual([{ change_id: changeId }]);
  });
});
