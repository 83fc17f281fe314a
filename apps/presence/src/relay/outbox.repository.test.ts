import { uuidv7, V7Generator } from 'uuidv7';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDataSource, poolOf } from '#database';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/postgres.js';
import { sampleOutbox } from './outbox.repository.js';

let database: TestDatabase;
let dataSource: ReturnType<typeof createDataSource>;

beforeAll(async () => {
  database = await createTestDatabase();
  dataSource = await createDataSource({ url: database.url, applicationName: 'test', poolSize: 1 }).initialize();
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

it('says how many changes wait, and for how long the first of them has', async () => {
  const pool = poolOf(dataSource);
  expect(await sampleOutbox(pool)).toEqual({ rows: 0, oldestSeconds: 0 });
  const old = new V7Generator().generateOrResetWithTs(Date.now() - 90_000).toString();
  for (const [position, id] of [old, uuidv7(), uuidv7()].entries()) {
    await pool.query('insert into presence.outbox (position, shard, change_id) values ($1, 3, $2)', [position + 1, id]);
  }
  const { rows, oldestSeconds } = await sampleOutbox(pool);
  expect(rows).toBe(3);
  expect(oldestSeconds).toBeGreaterThanOrEqual(89);
  expect(oldestSeconds).toBeLessThan(90 + 600);
});
