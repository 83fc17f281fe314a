import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/postgres.js';
import { FIRST_PLACE, readBehind, readDue } from './behind.repository.js';

const PAGE = 500;
/** Of as many agents, all of them due. */
const FILL = `
  insert into dispatch.behind (agent_event_id, client_id, agent_id, hash, next_sequence, due_at, head_change_id)
  select n, 12, n, 0, 1, now() - interval '1 s', gen_random_uuid() from generate_series(1, 3000) n`;

interface PlanNode {
  readonly 'Rows Removed by Join Filter'?: number;
  readonly 'Actual Loops': number;
  readonly Plans?: readonly PlanNode[];
}

let database: TestDatabase;
let pool: pg.Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 1, options: '-c enable_seqscan=off' });
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

it('compares what is due with its own agent’s alone, also while the statistics say that nothing is behind', async () => {
  await pool.query(FILL);
  await pool.query('delete from dispatch.behind');
  await pool.query('vacuum (analyze, truncate off) dispatch.behind');
  await pool.query(FILL);
  const query = { base: 1, shards: [0], paused: [], busyClients: [], after: FIRST_PLACE, limit: PAGE };
  let asked: { readonly text: string; readonly values: unknown[] } | undefined;
  const listening = { query: (statement: typeof asked) => pool.query((asked = statement)!) } as unknown as pg.Pool;
  const due = await readDue(pool, query);
  expect(due.rows).toHaveLength(PAGE);
  expect((await readBehind(listening, due.rows, 60_000)).rows).toHaveLength(PAGE);
  const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>({
    text: `explain (analyze, format json) ${asked!.text}`,
    values: asked!.values,
  });
  expect(removedIn(rows[0]!['QUERY PLAN'][0].Plan)).toBeLessThan(10 * PAGE);
});

/** Pairs of rows that a plan has compared in vain. */
function removedIn({ Plans = [], 'Rows Removed by Join Filter': removed = 0, 'Actual Loops': loops }: PlanNode): number {
  return Plans.reduce((sum, plan) => sum + removedIn(plan), removed * loops);
}
