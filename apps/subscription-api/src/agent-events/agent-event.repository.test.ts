import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { AgentEventEntity, createDataSource, poolOf } from '#database';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/postgres.js';
import { AgentRepository } from '../agents/agent.repository.js';
import { AgentEventRepository } from './agent-event.repository.js';

let database: TestDatabase;
let dataSource: DataSource;
let repository: AgentEventRepository;

beforeAll(async () => {
  database = await createTestDatabase();
  // One connection: what it has read is what the statement has.
  dataSource = createDataSource({ url: database.url, applicationName: 'test', poolSize: 1 }, [AgentEventEntity]);
  await dataSource.initialize();
  repository = new AgentEventRepository(dataSource, new AgentRepository(dataSource), { AGENT_EVENT_LIMIT: 100 });
});

afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

it('deletes the agent events of removed agents once their last change was notified, and reads no others for it', async () => {
  const pool = poolOf(dataSource);
  const add = async (agentId: number, after: number, until: number | null, count = 1): Promise<number> => {
    const { rows } = await pool.query<{ id: number }>(
      `insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type, after_sequence, until_sequence)
       select 12, 1, $1, 'local', 'https://example.com/' || n, 'POST', 'agent-login', $2, $3 from generate_series(1, $4) n returning id`,
      [agentId, after, until, count],
    );
    return rows[0]!.id;
  };
  await add(1, 0, null, 3000);
  await add(2, 5, 5); // removed before it changed again: there is nothing to notify
  await add(3, 0, 2); // notified
  const notFannedOut = await add(4, 0, 2);
  const onItsWay = await add(5, 0, 2);
  await pool.query(
    'insert into dispatch.agent_cursor (client_id, agent_id, last_sequence) values (12, 3, 2), (12, 4, 1), (12, 5, 2)',
  );
  await pool.query(
    `insert into dispatch.queue (lane, sequence, agent_event_id, change_id, client_id, agent_id, expires_at)
     values (dispatch.lane_of(12, 5, 'https://example.com/1'), 2, $1, gen_random_uuid(), 12, 5, now())`,
    [onItsWay],
  );
  await pool.query('analyze');

  const read = async (): Promise<number> => {
    await pool.query('select pg_stat_force_next_flush()');
    const { rows } = await pool.query<{ read: number }>(
      `select seq_tup_read + idx_tup_fetch as read from pg_stat_user_tables where relid = 'subscription.agent_event'::regclass`,
    );
    return rows[0]!.read;
  };
  const before = await read();
  await repository.deleteFinished();
  expect((await read()) - before).toBeLessThan(50);

  const { rows } = await pool.query<{ id: number }>(
    'select id from subscription.agent_event where until_sequence is not null order by id',
  );
  expect(rows.map(({ id }) => id)).toEqual([notFannedOut, onItsWay]);
  const { rows: others } = await pool.query<{ count: number }>(
    'select count(*) from subscription.agent_event where until_sequence is null',
  );
  expect(others[0]!.count).toBe(3000);
});
