import pg from 'pg';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
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
    expect(await migrate(database.url)).toEqual([]);
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
