import { uuidv7, V7Generator } from 'uuidv7';
import { expect, it } from 'vitest';
import { useTestPool } from '../../../../test/support/postgres.js';
import { sampleOutbox } from './outbox.repository.js';

const pool = useTestPool();

it('says how many changes wait, and for how long the first of them has', async () => {
  expect(await sampleOutbox(pool())).toEqual({ rows: 0, oldestSeconds: 0 });
  const old = new V7Generator().generateOrResetWithTs(Date.now() - 90_000).toString();
  for (const [position, id] of [old, uuidv7(), uuidv7()].entries()) {
    await pool().query('insert into presence.outbox (position, shard, change_id) values ($1, 3, $2)', [position + 1, id]);
  }
  const { rows, oldestSeconds } = await sampleOutbox(pool());
  expect(rows).toBe(3);
  expect(oldestSeconds).toBeGreaterThanOrEqual(89);
  expect(oldestSeconds).toBeLessThan(90 + 600);
});
