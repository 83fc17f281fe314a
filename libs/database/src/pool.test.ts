import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { useTestPool } from '../../../test/support/postgres.js';
import { measurePool, queryBriefly } from './pool.js';

const pool = useTestPool();

it('has the server give up what takes too long, and nothing else of the session', async () => {
  await expect(queryBriefly(pool(), 'select pg_sleep(60)', 50)).rejects.toMatchObject({ code: '57014' });
  expect(await queryBriefly(pool(), 'select 7 as number union all select 8', 10_000)).toEqual([{ number: 7 }, { number: 8 }]);
  const { rows } = await pool().query<{ statement_timeout: string }>('show statement_timeout');
  expect(rows[0]!.statement_timeout).toBe('10s'); // of the same connection: there is but one
});

it('tells how the connections of the pool are used', async () => {
  const registry = new Registry();
  measurePool(pool(), registry);
  const states = async () => {
    const { values } = await registry.getSingleMetric('rollcall_db_pool_connections')!.get();
    return Object.fromEntries(values.map(({ labels, value }) => [String(labels['state']), value]));
  };
  expect(await states()).toEqual({ idle: 1, used: 0, waiting: 0 });
  const client = await pool().connect();
  const waiting = pool().query('select 1');
  expect(await states()).toEqual({ idle: 0, used: 1, waiting: 1 });
  client.release();
  await waiting;
  expect(await states()).toEqual({ idle: 1, used: 0, waiting: 0 });
  expect((await registry.getSingleMetric('rollcall_db_pool_size')!.get()).values).toMatchObject([{ value: 1 }]);
});
