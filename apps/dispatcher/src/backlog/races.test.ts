import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, beforeEach, describe, expect, it as base } from 'vitest';
import { HAS_POSTGRES_15, InstalledPostgres } from '../../../../test/support/installed-postgres.js';
import { eventually } from '../../../../test/support/poll.js';
import { createTestDatabase } from '../../../../test/support/postgres.js';
import { AgentWork } from '../lanes/agent-work.js';
import { takeLeases } from '../lanes/shard-lease.repository.js';
import { recordSnapshots } from '../record/record.repository.js';
import { writeRows } from '../record/rows.repository.js';
import { recordRedeliveries, type RedeliveryResult } from './redelivery.repository.js';

const SERVERS: [string, boolean, () => Promise<{ url: string; stop: () => Promise<void> }>][] = [
  [
    'PostgreSQL 18',
    true,
    async () => {
      const database = await createTestDatabase();
      return { url: database.url, stop: () => database.drop() };
    },
  ],
  [
    HAS_POSTGRES_15 ? 'PostgreSQL 15' : 'PostgreSQL 15, which is not installed here',
    HAS_POSTGRES_15,
    async () => {
      const server = await InstalledPostgres.start();
      return { url: server.url, stop: () => server.stop() };
    },
  ],
];
const CLIENT = 12;

/** What the protocol takes as one step: whoever comes second waits, and then sees what the first has done. */
describe.each(SERVERS)('on %s', (_name, isThere, start) => {
  // Named also where it is skipped.
  const it = base.runIf(isThere);
  let stop: () => Promise<void>;
  let pool: pg.Pool;
  let event: number;
  const owner = randomUUID();

  beforeAll(async () => {
    if (!isThere) return;
    const server = await start();
    stop = server.stop;
    pool = new pg.Pool({ connectionString: server.url, max: 12 }).on('error', () => undefined);
  }, 120_000);

  afterAll(async () => {
    if (!isThere) return;
    await pool.end();
    await stop();
  });

  beforeEach(async () => {
    await pool.query(`truncate dispatch.behind, dispatch.wake, dispatch.redelivery, dispatch.redelivery_lane, dispatch.agent_cursor,
                               dispatch.shard_lease, dispatch.shard_base, dispatch.attempt`);
    await pool.query('insert into dispatch.shard_base (partitions) values (1)');
    await pool.query(
      `insert into dispatch.shard_lease (shard, owner, epoch, until) values (0, $1, 1, now() + interval '1 hour')`,
      [owner],
    );
    await pool.query('insert into dispatch.agent_cursor (client_id, agent_id, last_sequence) values ($1, 1, 9)', [CLIENT]);
    event = await addEvent('https://one.example/');
  });

  async function addEvent(url: string): Promise<number> {
    const { rows } = await pool.query<{ id: string }>(
      `insert into subscription.agent_event (client_id, application_id, url, method, event_type) values ($1, 1, $2, 'POST', 'agent-login') returning id`,
      [CLIENT, url],
    );
    return Number(rows[0]!.id);
  }

  const fallBehind = (agentEventId: number, due: string | null) =>
    pool.query(
      `insert into dispatch.behind (agent_event_id, client_id, agent_id, hash, next_sequence, due_at) values ($1, $2, 1, 0, 1, $3)`,
      [agentEventId, CLIENT, due],
    );

  /** A transaction that stays open until it is told. */
  async function begin(sql: string, values: unknown[] = []): Promise<{ commit: () => Promise<void> }> {
    const client = await pool.connect();
    await client.query('begin');
    await client.query(sql, values);
    return {
      commit: async () => {
        await client.query('commit');
        client.release();
      },
    };
  }

  /** Connections that wait for a lock. */
  const waiters = async (): Promise<number> => {
    const { rows } = await pool.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and pid <> pg_backend_pid()`,
    );
    return rows.length;
  };

  const somebodyWaits = () => eventually('somebody who waits for a lock', async () => (await waiters()) > 0);

  const leaseEnds = () =>
    eventually('the end of the lease', async () => {
      const { rows } = await pool.query('select from dispatch.shard_lease where until <= clock_timestamp()');
      return rows.length === 1;
    });

  /** Another instance asks for the lease that has ended, while its owner's statement still waits for a lock. */
  const successorWaits = async () => {
    await somebodyWaits();
    await leaseEnds();
    const successor = randomUUID();
    const taking = takeLeases(pool, successor, 1, [0], 60_000);
    await eventually('a successor who waits as well', async () => (await waiters()) === 2);
    return { successor, taking };
  };

  const result = (changeId: string, over: Partial<RedeliveryResult> = {}): RedeliveryResult => ({
    agentEventId: event,
    agentId: 1,
    changeId,
    shard: 0,
    epoch: 1,
    attempt: 2,
    trigger: 'redeliver',
    attemptedAt: new Date(),
    latencyMs: 5,
    outcome: 'delivered',
    httpStatus: 200,
    error: null,
    response: null,
    delayMs: null,
    ...over,
  });

  const sendAgain = (changeIds: readonly string[], agentId = 1) =>
    pool.query(
      `select dispatch.send_again($1, $2, $3::uuid[], array_fill($4::bigint, array[cardinality($3::uuid[])]),
         (select array_agg(n) from generate_series(1, cardinality($3::uuid[])) n), array_fill(1::smallint, array[cardinality($3::uuid[])]),
         null, now() + interval '1 hour')`,
      [event, CLIENT, changeIds, agentId],
    );

  it('a row that goes to sleep while it is woken is awake', async () => {
    const sibling = await addEvent('https://one.example/');
    await fallBehind(event, null);
    await fallBehind(sibling, 'now');
    await pool.query('select dispatch.wake_event($1)', [event]);
    await pool.query(`update dispatch.wake set created_at = now() - interval '1 s'`);
    const deciding = await begin('select from dispatch.agent_cursor where client_id = $1 and agent_id = 1 for update', [CLIENT]);
    const waking = pool.query<{ woken: number }>('select dispatch.step_wake(500) as woken');
    await somebodyWaits();
    await pool.query('update dispatch.behind set due_at = null where agent_event_id = $1', [sibling]); // decided under the lock
    await deciding.commit();
    expect((await waking).rows).toEqual([{ woken: 2 }]);
    expect((await pool.query('select from dispatch.behind where due_at is null')).rowCount).toBe(0);
    expect((await pool.query('select from dispatch.wake')).rowCount).toBe(0);
  });

  it('a result is written before a new owner has the lease, or not at all', async () => {
    const [one, other] = [uuidv7(), uuidv7()];
    await sendAgain([one, other]);
    await pool.query(`update dispatch.shard_lease set until = now() + interval '400 ms'`);
    // The old owner's record holds the lease's row while it waits for a lane that somebody has.
    const lane = await begin('select from dispatch.redelivery_lane for update');
    const recording = recordRedeliveries(pool, owner, [result(one)], 1000);
    const { taking } = await successorWaits();
    await lane.commit();
    expect([await recording, await taking]).toEqual([1, [expect.objectContaining({ shard: 0 })]]);
    expect(await recordRedeliveries(pool, owner, [result(other)], 1000)).toBe(0);
    const { rows } = await pool.query<{ change_id: string }>('select change_id from dispatch.attempt');
    expect(rows).toEqual([{ change_id: one }]);
  });

  it('a row is written before a new owner has the lease, or not at all', async () => {
    await fallBehind(event, 'now');
    await pool.query(`update dispatch.shard_lease set until = now() + interval '400 ms'`);
    const lease = { shard: 0, epoch: 1, until: Infinity, ending: false };
    const write = (version: number) => {
      const row = { clientId: CLIENT, agentEventId: event, next: 1, attempts: 0, version, inHand: true };
      const result = { kind: 'wait', dueMs: 1000, blockedBy: undefined } as const;
      return writeRows(pool, owner, [{ row, result, next: 1, version, lease, agentId: 1 }], 60_000);
    };
    const locked = await begin('select from dispatch.behind for update');
    const writing = write(0);
    await somebodyWaits();
    await leaseEnds();
    // Whether the lease or the row is locked first is the planner's choice.
    let isTaken = false;
    const taking = takeLeases(pool, randomUUID(), 1, [0], 60_000).then(() => (isTaken = true));
    await eventually('a successor who has the lease, or waits for it', async () => isTaken || (await waiters()) === 2);
    const written = isTaken ? 0 : 1;
    await locked.commit();
    expect((await writing).size).toBe(written);
    await taking;
    expect((await write(written)).size).toBe(0);
    expect((await pool.query('select version::int from dispatch.behind')).rows).toEqual([{ version: written }]);
  });

  it("a cursor moves before a new owner has the lease, or not at all, and never where it is another's", async () => {
    const agent = new AgentWork(CLIENT, 1, 0, { shard: 0, epoch: 1, until: Infinity, ending: false });
    const move = (from: number, to: number, by = owner) =>
      recordSnapshots(
        pool,
        by,
        [{ agent, from, to, isAhead: false, entries: [], records: [], newRows: [], rowOutcomes: [] }],
        [],
      );
    await pool.query(`update dispatch.shard_lease set until = now() + interval '400 ms'`);
    const cursor = await begin('select from dispatch.agent_cursor for update');
    const recording = move(9, 10);
    const { successor, taking } = await successorWaits();
    await cursor.commit();
    expect((await recording).get(agent.key)).toMatchObject({ moved: true });
    const [taken] = await taking;
    expect((await move(10, 11)).size).toBe(0);
    Object.assign(agent.lease, taken);
    expect((await move(9, 11, successor)).get(agent.key)).toMatchObject({ moved: false });
    expect((await move(10, 11, successor)).get(agent.key)).toMatchObject({ moved: true });
    const { rows } = await pool.query('select last_sequence::int as last from dispatch.agent_cursor');
    expect(rows).toEqual([{ last: 11 }]);
  });

  it('lanes are whole, however what is added, recorded and cancelled meets', async () => {
    const ids = Array.from({ length: 60 }, () => uuidv7());
    await Promise.all(
      ids.map(async (id, n) => {
        const agentId = (n % 3) + 1;
        await sendAgain([id], agentId);
        const outcome = n % 4 === 0 ? 'retry' : 'delivered';
        await recordRedeliveries(pool, owner, [result(id, { agentId, outcome, delayMs: 60_000 })], 1000);
      }),
    );
    const { rows } = await pool.query(
      `select (select count(*)::int from dispatch.redelivery) as rows,
              (select count(*)::int from dispatch.redelivery_lane l where l.due_at is distinct from (
                 select r.due_at from dispatch.redelivery r where r.agent_event_id = l.agent_event_id and r.agent_id = l.agent_id
                 order by r.sequence limit 1)) as wrong_lanes,
              (select count(*)::int from dispatch.redelivery r where not exists (
                 select from dispatch.redelivery_lane l where l.agent_event_id = r.agent_event_id and l.agent_id = r.agent_id)) as without_lane,
              (select count(*)::int from dispatch.attempt) as attempts`,
    );
    expect(rows).toEqual([{ rows: 15, wrong_lanes: 0, without_lane: 0, attempts: 60 }]);
  });

  it('a wake goes through many agents in bounded steps, in turn with others, and lets go what is deleted', async () => {
    await pool.query(
      `insert into dispatch.behind (agent_event_id, client_id, agent_id, hash, next_sequence) select $1, $2, n, n, 1 from generate_series(1, 1200) n`,
      [event, CLIENT],
    );
    const other = await addEvent('https://two.example/');
    await fallBehind(other, null);
    for (const id of [event, other]) await pool.query('select dispatch.wake_event($1)', [id]);
    await pool.query(`update dispatch.wake set created_at = now() - interval '1 s'`);
    const step = async (): Promise<number | null> => {
      const { rows } = await pool.query<{ woken: number | null }>('select dispatch.step_wake(500) as woken');
      return rows[0]!.woken;
    };
    expect([await step(), await step(), await step(), await step(), await step()]).toEqual([501, 0, 500, 200, null]);
    await pool.query('select dispatch.wake_event($1)', [event]);
    await pool.query('delete from subscription.agent_event where id = $1', [event]);
    await pool.query(`update dispatch.wake set created_at = now() - interval '1 s'`);
    expect([await step(), await step(), await step(), await step()]).toEqual([500, 500, 200, null]);
    expect((await pool.query('select from dispatch.behind')).rowCount).toBe(1);
  });
});
