import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { assertKeyFits, createSealer, type Sealer } from './index.js';

describe('the key that the secrets in the database were sealed with', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  const ours = createSealer('a key of some length');
  const another = createSealer('another key of some length');

  beforeAll(async () => {
    database = await createTestDatabase();
    pool = new pg.Pool({ connectionString: database.url, max: 1 });
  });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  const fits = (sealer: Sealer) =>
    assertKeyFits(async (sql, values) => (await pool.query<{ fits: boolean; found: string | null }>(sql, values)).rows, sealer);
  const add = (clientId: number, sealed: string) =>
    pool.query('insert into subscription.webhook_secret (client_id, secret_sealed) values ($1, $2)', [clientId, sealed]);

  it('is unknown at first, then ours or another, and any secret that ours opens is enough', async () => {
    expect(await fits(ours)).toBe(false);
    await add(1, 'not sealed at all');
    expect(await fits(ours)).toBe(false);
    await add(2, another.seal('a'));
    await expect(fits(ours)).rejects.toThrow(
      `ENCRYPTION_KEY: the signing secrets in the database were sealed with key ${another.keyId}`,
    );
    expect(await fits(another)).toBe(true);
    await add(3, ours.seal('b'));
    expect(await fits(ours)).toBe(true);
  });
});
