import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { migrate } from './migrate.js';

const INDEXES = ['presence.status_change_by_client', 'dispatch.attempt_unsuccessful'] as const;

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

/** Whether an index is there, and of every partition. */
async function isWhole(index: string): Promise<boolean> {
  const { rows } = await client.query<{ is: boolean }>(
    `select i.indisvalid and not exists (
       select from pg_inherits h where h.inhparent = i.indrelid and not exists (
         select from pg_index own join pg_inherits a on a.inhrelid = own.indexrelid
         where own.indrelid = h.inhrelid and a.inhparent = i.indexrelid and own.indisvalid)) as is
     from pg_index i where i.indexrelid = to_regclass($1)`,
    [index],
  );
  return rows[0]?.is ?? false;
}

/** As it was before the indexes. */
async function undo(): Promise<void> {
  for (const index of INDEXES) await client.query(`drop index ${index}`);
  const { rowCount } = await client.query('delete from public.rollcall_migration where timestamp = 1764000000025');
  expect(rowCount).toBe(1);
}

it('has its indexes of every partition, those that come later too', async () => {
  await client.query(
    `select public.rollcall_add_partitions(t, (now() + interval '20 days')::date, (now() + interval '20 days')::date)
     from unnest(array['presence.status_change', 'dispatch.attempt']::regclass[]) t`,
  );
  for (const index of INDEXES) expect([index, await isWhole(index)]).toEqual([index, true]);
});

it('builds them beside a transaction that has written, goes on where it was interrupted, and makes them whole', async () => {
  await client.query(
    `insert into presence.status_change (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
     values (presence.uuid_v7_floor(now()), 12, 1, 'local', '1', 'available', 'api', 1, now(), now())`,
  );
  await client.query(
    `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome)
     values (1, presence.uuid_v7_floor(now()), 1, now(), 1, 'failed'), (1, presence.uuid_v7_floor(now()), 2, now(), 1, 'delivered')`,
  );
  await undo();
  const { rows } = await client.query<{ partition: string }>(
    `select c.relname as partition from pg_inherits h join pg_class c on c.oid = h.inhrelid
     where h.inhparent = 'dispatch.attempt'::regclass and c.relname ~ '_[0-9]{8}$' order by 1`,
  );
  const [first, second] = rows.map(({ partition }) => partition) as [string, string];
  // What an interrupted build leaves: one that is not attached yet, and one that is not whole.
  const name = (partition: string): string => partition.replace('attempt', 'attempt_unsuccessful');
  for (const partition of [first, second])
    await client.query(
      `create index ${name(partition)} on dispatch.${partition} (agent_event_id, outcome, change_id) where outcome <> 'delivered'`,
    );
  await client.query(`update pg_index set indisvalid = false where indexrelid = $1::regclass`, [`dispatch.${name(second)}`]);
  const writer = new pg.Client({ connectionString: database.url });
  await writer.connect();
  try {
    await writer.query('begin');
    await writer.query(
      `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome)
       values (2, presence.uuid_v7_floor(now()), 1, now(), 1, 'failed')`,
    );
    await expect(migrate(database.url, { patienceMs: 500 })).rejects.toThrow(/other sessions/);
    await writer.query('commit');
  } finally {
    await writer.end();
  }
  expect((await migrate(database.url)).run).toEqual(['ListIndexes1764000000025']);
  for (const index of INDEXES) expect([index, await isWhole(index)]).toEqual([index, true]);
});

it('has failures alone in the index of failures', async () => {
  await client.query('vacuum analyze dispatch.attempt');
  const { rows } = await client.query<{ entries: number }>(
    `select sum(c.reltuples)::integer as entries from pg_inherits h join pg_class c on c.oid = h.inhrelid
     where h.inhparent = 'dispatch.attempt_unsuccessful'::regclass`,
  );
  const failures = await client.query(`select from dispatch.attempt where outcome <> 'delivered'`);
  expect(rows[0]!.entries).toBe(failures.rowCount);
});
