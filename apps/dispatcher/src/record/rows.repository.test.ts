import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { DeliveryRows } from '../../../../test/support/delivery-rows.js';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/postgres.js';
import type { AttemptRecord, RowResult, RowWork } from '../lanes/agent-work.js';
import type { ShardLease } from '../lanes/shard-leases.js';
import { writeRows } from './rows.repository.js';

const CLIENT = 12;
const AGENT = 1;
const DAY_MS = 86_400_000;
const OWNER = randomUUID();
const LEASE: ShardLease = { shard: 0, epoch: 1, until: Infinity, ending: false };

let database: TestDatabase;
let pool: pg.Pool;
/** Ids of the agent's changes, from the first: a login, a logout, and so on. */
let changes: string[];
let login: RowWork;
let logout: RowWork;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 2, options: '-c enable_seqscan=off' });
  await pool.query('insert into dispatch.shard_lease (shard, owner, epoch, until) values (0, $1, 1, $2)', [OWNER, 'infinity']);
  await pool.query('insert into presence.client values ($1)', [CLIENT]);
  await pool.query(`insert into presence.agent (client_id, agent_id, agent_type, name) values ($1, $2, 'local', 'a')`, [
    CLIENT,
    AGENT,
  ]);
  const rows = new DeliveryRows(pool);
  changes = [];
  for (let sequence = 1; sequence <= 4; sequence++) changes.push(await rows.addChange({ clientId: CLIENT, agentId: AGENT }));
  await rows.plan({ clientId: CLIENT, agentId: AGENT });
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

beforeEach(async () => {
  await pool.query('truncate dispatch.behind, dispatch.attempt');
  [login, logout] = [await fallBehind('agent-login', 1), await fallBehind('agent-logout', 2)];
});

/** An agent event at the one url that is behind for the agent from a sequence on. */
async function fallBehind(eventType: string, next: number): Promise<RowWork> {
  const { rows } = await pool.query<{ id: number }>(
    `insert into subscription.agent_event (client_id, application_id, url, method, event_type)
     values ($1, 1, 'https://one.example/', 'POST', $2) returning id::integer`,
    [CLIENT, eventType],
  );
  const agentEventId = rows[0]!.id;
  await pool.query(
    `insert into dispatch.behind (agent_event_id, client_id, agent_id, hash, next_sequence, due_at, head_change_id) values ($1, $2, $3, 0, $4, now(), $5)`,
    [agentEventId, CLIENT, AGENT, next, changes[next - 1]],
  );
  return { clientId: CLIENT, agentEventId, next, attempts: 0, version: 0, inHand: true };
}

const write = (...results: readonly [RowWork, RowResult][]) =>
  writeRows(
    pool,
    OWNER,
    results.map(([row, result]) => ({ row, result, next: row.next, version: row.version, lease: LEASE, agentId: AGENT })),
    DAY_MS,
  );

const delivered = ({ agentEventId, next }: RowWork): RowResult => {
  const record: AttemptRecord = {
    ...{ agentEventId, changeId: changes[next - 1]!, attempt: 1, attemptedAt: new Date(), latencyMs: 1 },
    ...{ outcome: 'delivered', httpStatus: 200, error: null, response: null },
  };
  return { kind: 'next', record, isDelivered: true };
};

const sleepsFor = (blockedBy: RowWork): RowResult => ({ kind: 'wait', dueMs: undefined, blockedBy });

async function behind(): Promise<unknown[]> {
  const { rows } = await pool.query<Record<string, unknown>>(
    'select agent_event_id::integer as id, next_sequence::integer as next, due_at is not null as is_due from dispatch.behind order by 1',
  );
  return rows;
}

it('wakes what fell asleep for a delivery that ended in the same batch', async () => {
  await write([logout, sleepsFor(login)], [login, delivered(login)]);
  expect(await behind()).toEqual([
    { id: login.agentEventId, next: 3, is_due: true },
    { id: logout.agentEventId, next: 2, is_due: true },
  ]);
});

it('wakes what falls asleep for a delivery that has ended before', async () => {
  await write([login, delivered(login)]);
  await write([logout, sleepsFor(login)]);
  expect(await behind()).toContainEqual({ id: logout.agentEventId, next: 2, is_due: true });
});

it('lets sleep what waits for a delivery that is ahead of it, until that ends', async () => {
  await write([logout, sleepsFor(login)]);
  expect(await behind()).toContainEqual({ id: logout.agentEventId, next: 2, is_due: false });
  await write([login, delivered(login)]);
  expect(await behind()).toContainEqual({ id: logout.agentEventId, next: 2, is_due: true });
});

it('reads no rows but those of the agents that it writes, also while the statistics say that nothing is behind', async () => {
  const others = `
    insert into dispatch.behind (agent_event_id, client_id, agent_id, hash, next_sequence, due_at, head_change_id)
    select 1_000_000 + n, ${CLIENT}, 1_000_000 + n, 0, 1, case when n % 2 = 0 then now() end, '${changes[0]}' from generate_series(1, 5000) n`;
  await pool.query(others);
  await pool.query('delete from dispatch.behind');
  await pool.query('vacuum (analyze, truncate off) dispatch.behind');
  const rows: RowWork[] = [];
  for (let nth = 0; nth < 12; nth++) rows.push(await fallBehind('agent-login', 1), await fallBehind('agent-logout', 2));
  await pool.query(others);
  const results = rows.map((row, nth): [RowWork, RowResult] =>
    nth % 2 === 0 ? [row, delivered(row)] : [row, sleepsFor(rows[nth - 1]!)],
  );
  const before = await rowsRead();
  await write(...(results as [[RowWork, RowResult]]));
  expect((await rowsRead()) - before).toBeLessThan(5000);
});

/** Rows of what is behind that were read so far, by all statements. */
async function rowsRead(): Promise<number> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    await Promise.all([pool, pool].map((each) => each.query('select pg_stat_force_next_flush(), pg_sleep(0.05)')));
    const { rows } = await client.query<{ read: number }>(
      `select (select seq_tup_read from pg_stat_user_tables where relid = 'dispatch.behind'::regclass)::integer
        + (select sum(idx_tup_read) from pg_stat_user_indexes where relid = 'dispatch.behind'::regclass)::integer as read`,
    );
    return rows[0]!.read;
  } finally {
    await client.end();
  }
}
