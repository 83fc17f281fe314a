import { expect, it } from 'vitest';
import { useTestPool } from '../../../../test/support/postgres.js';
import { sampleBacklog } from './backlog-sample.repository.js';

const pool = useTestPool();

it('says that nothing is behind', async () => {
  expect(await sampleBacklog(pool())).toEqual({ rows: 0, oldestSeconds: 0, suspended: [] });
});

it('finds the oldest without reading all that is behind', async () => {
  const client = await pool().connect();
  try {
    await client.query('begin');
    await client.query(`
      insert into dispatch.behind (agent_event_id, client_id, agent_id, hash, next_sequence)
      select n, 1, 1, 1, 1 from generate_series(1, 10000) n`);
    await client.query('analyze dispatch.behind');
    const { rows } = await client.query<{ 'QUERY PLAN': string }>('explain select min(since) from dispatch.behind');
    expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toMatch(/using behind_since/);
  } finally {
    await client.query('rollback');
    client.release();
  }
});

it('says how much is behind, for how long, and what is suspended', async () => {
  await pool().query(`
    insert into dispatch.behind (agent_event_id, client_id, agent_id, hash, next_sequence, since)
    select n, 1, 1, 1, 1, now() - n * interval '1 minute' from generate_series(1, 30) n`);
  await pool().query(`
    insert into dispatch.event_health (agent_event_id, failing_since, suspended_at, suspended_reason)
    select n, now(), case when n < 5 then now() end, case n when 1 then 'paused' when 2 then 'gone' when 3 then 'gone' when 4 then 'failing' end
    from generate_series(1, 10) n`);
  await pool().query('analyze dispatch.behind');
  const { rows, oldestSeconds, suspended } = await sampleBacklog(pool());
  expect(rows).toBe(30);
  expect(oldestSeconds).toBeGreaterThanOrEqual(1800);
  expect(oldestSeconds).toBeLessThan(1800 + 600);
  expect(Object.fromEntries(suspended.map(({ reason, count }) => [reason, count]))).toEqual({ paused: 1, gone: 2, failing: 1 });
});
