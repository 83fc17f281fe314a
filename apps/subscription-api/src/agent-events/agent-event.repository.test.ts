import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { AgentEventEntity, createDataSource, ListReads, poolOf } from '#database';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/postgres.js';
import { AgentRepository } from '../agents/agent.repository.js';
import { AgentEventRepository } from './agent-event.repository.js';

const by = (applicationId: number) => ({ applicationId, appId: `app-${applicationId}` });

let database: TestDatabase;
let dataSource: DataSource;
let repository: AgentEventRepository;

beforeAll(async () => {
  database = await createTestDatabase();
  // One connection: what it has read is what the statement has.
  dataSource = createDataSource({ url: database.url, applicationName: 'test', poolSize: 1 }, [AgentEventEntity]);
  await dataSource.initialize();
  const reads = new ListReads(poolOf(dataSource), undefined, pino({ level: 'silent' }), new Registry());
  repository = new AgentEventRepository(dataSource, new AgentRepository(dataSource, reads), { AGENT_EVENT_LIMIT: 100 });
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
  const behind = await add(5, 0, 2);
  const sentAgain = await add(6, 0, 2);
  await pool.query(
    'insert into dispatch.agent_cursor (client_id, agent_id, last_sequence) values (12, 3, 2), (12, 4, 1), (12, 5, 2), (12, 6, 2)',
  );
  await pool.query(
    `insert into dispatch.behind (agent_event_id, client_id, agent_id, hash, next_sequence) values ($1, 12, 5, 1, 2)`,
    [behind],
  );
  await pool.query(
    `insert into dispatch.redelivery (agent_event_id, change_id, client_id, agent_id, sequence, attempts_before, expires_at)
     values ($1, gen_random_uuid(), 12, 6, 1, 1, now())`,
    [sentAgain],
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
  expect(rows.map(({ id }) => id)).toEqual([notFannedOut, behind, sentAgain]);
  const { rows: others } = await pool.query<{ count: number }>(
    'select count(*) from subscription.agent_event where until_sequence is null',
  );
  expect(others[0]!.count).toBe(3000);
});

const AGENT = { clientId: 12, agentType: 'local', agentId: 99 } as const;

/** @returns how many agent events the client has, by its rows and by its count */
async function countsOf(clientId: number): Promise<[number, number]> {
  const { rows } = await poolOf(dataSource).query<{ rows: number; used: number }>(
    `select (select count(*) from subscription.agent_event where client_id = $1) as rows, agent_event_used as used
     from subscription.client_usage where client_id = $1`,
    [clientId],
  );
  return [rows[0]!.rows, rows[0]!.used];
}

it('removes more agent events than a statement has parameters, those of the application alone', async () => {
  const add = (applicationId: number, agentId: number, count: number) =>
    poolOf(dataSource).query(
      `insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type)
       select 77, $1, $2, 'local', 'https://example.com/', 'POST', 'agent-login' from generate_series(1, $3)`,
      [applicationId, agentId, count],
    );
  const agent = { ...AGENT, clientId: 77 };
  await add(1, 99, 70_000);
  await add(2, 99, 3);
  await add(1, 98, 4);
  await poolOf(dataSource).query('insert into subscription.client_usage (client_id, agent_event_used) values (77, 70007)');
  await repository.removeOf(agent, by(1));
  expect(await countsOf(77)).toEqual([7, 7]);
  await repository.removeOf(agent, by(1)); // none is left
  await repository.removeOf(agent, by(2));
  expect(await countsOf(77)).toEqual([4, 4]);
}, 60_000);

it('removes agent events that were never counted, and counts what is left', async () => {
  await poolOf(dataSource).query(
    `insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type)
     select 79, 1, agent_id, 'local', 'https://example.com/', 'POST', 'agent-login'
     from (values (98), (99)) a (agent_id), generate_series(1, 3)`,
  );
  await poolOf(dataSource).query('insert into subscription.client_usage (client_id, agent_event_used) values (79, 2)');
  await repository.removeOf({ ...AGENT, clientId: 79 }, by(1));
  expect(await countsOf(79)).toEqual([3, 3]);
});

it('starts one for all agents at what is fanned out, with rows for those agents alone that have more', async () => {
  const pool = poolOf(dataSource);
  await pool.query(
    `insert into presence.agent (client_id, agent_id, agent_type, name, agent_status, sequence)
     select 78, n, 'local', '101', 'available', 5 from generate_series(1, 20000) n`,
  );
  await pool.query(
    `insert into dispatch.agent_cursor (client_id, agent_id, last_sequence)
     select 78, n, case n when 10 then 3 when 12 then 6 else 5 end from generate_series(1, 20000) n where n <> 11`,
  );
  await pool.query('update presence.agent set sequence = 0 where client_id = 78 and agent_id = 13');
  const event = { url: 'https://example.com/', method: 'POST', event_type: 'agent-login', agent_type: null } as const;
  const added = await repository.addInTurn({ clientId: 78 }, event, by(1), async (manager) => {
    await manager.query(`insert into subscription.webhook_secret (client_id, secret_sealed) values (78, 'x')`);
  });
  const { rows } = await pool.query(
    'select agent_id, after_sequence from subscription.client_event_start where agent_event_id = $1 order by agent_id',
    [(added as { id: number }).id],
  );
  expect(rows).toEqual([
    { agent_id: 10, after_sequence: 5 },
    { agent_id: 11, after_sequence: 5 },
  ]);
  expect(await countsOf(78)).toEqual([1, 1]);
}, 60_000);
