import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { DataSource } from 'typeorm';
import { AgentEventEntity, createDataSource, ListReads, poolOf } from '#database';
import { DeliveryRows } from '../../../../test/support/delivery-rows.js';
import { eventually } from '../../../../test/support/poll.js';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/postgres.js';
import { AgentEventRepository } from '../agent-events/agent-event.repository.js';
import { StatusLogRepository } from '../agent-status/status-log.repository.js';
import { AgentRepository } from '../agents/agent.repository.js';
import { DeliveryFactsRepository } from '../deliveries/delivery-facts.repository.js';
import { DeliveryList } from '../deliveries/delivery-list.js';
import { Explainer } from './explainer.js';

const AGENT = { clientId: 12, agentType: 'local', agentId: 136 } as const;
const DAY_MS = 86_400_000;
const CHANGE = '019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69';

let database: TestDatabase;
let dataSource: DataSource;
let explainer: Explainer;

beforeAll(async () => {
  database = await createTestDatabase();
  dataSource = createDataSource({ url: database.url, applicationName: 'test', poolSize: 4 }, [AgentEventEntity]);
  await dataSource.initialize();
  const reads = new ListReads(poolOf(dataSource), undefined, pino({ level: 'silent' }), new Registry());
  const agents = new AgentRepository(dataSource, reads);
  const log = new StatusLogRepository(dataSource, reads);
  const facts = new DeliveryFactsRepository(dataSource, reads);
  const deliveries = new DeliveryList(facts, { DELIVERY_WINDOW: 1000 });
  const agentEvents = new AgentEventRepository(dataSource, agents, { AGENT_EVENT_LIMIT: 1000 });
  explainer = new Explainer(agents, agentEvents, log, facts, deliveries);
});

afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

interface Explained {
  readonly record: string;
  readonly change: { readonly id: string } | null;
  readonly steps: readonly { readonly step: string; readonly code: string; readonly words: string }[];
  readonly agent_events: readonly {
    id: number;
    url: string;
    notified: boolean | null;
    code: string;
    delivery: { status: string; attempts: unknown[] } | null;
  }[];
}

it('takes the same few statements for one agent event and for hundreds, and tells each its own delivery', async () => {
  await dataSource.query(`select presence.put_agent(12, 'local', 136, '101')`);
  await dataSource.query(
    `create table if not exists presence.status_change_test partition of presence.status_change
     for values from ('019aa0e5-0000-0000-0000-000000000000') to ('019aa0e5-ffff-ffff-ffff-ffffffffffff')`,
  );
  await dataSource.query(
    `create table if not exists dispatch.attempt_test partition of dispatch.attempt
     for values from ('019aa0e5-0000-0000-0000-000000000000') to ('019aa0e5-ffff-ffff-ffff-ffffffffffff')`,
  );
  await dataSource.query(
    `insert into presence.status_change (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
     values ($1, 12, 136, 'local', '101', 'available', 'api', 3, now(), now())`,
    [CHANGE],
  );
  const explain = async (): Promise<[number, Explained['agent_events']]> => {
    const statements = vi.spyOn(dataSource.logger, 'logQuery');
    const { agent_events } = (await explainer.explain(AGENT, new Date())) as Explained;
    const count = statements.mock.calls.length;
    statements.mockRestore();
    return [count, agent_events];
  };
  const add = async (agentId: number | null, count: number): Promise<number[]> => {
    const rows: { id: number }[] = await dataSource.query(
      `insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type)
       select 12, 1, $1, 'local', 'https://example.com/' || n, 'POST', 'agent-login' from generate_series(1, $2) n returning id`,
      [agentId, count],
    );
    return rows.map(({ id }) => id);
  };
  await add(136, 1);
  const [few] = await explain();
  const [attempted, head, waiting] = (await add(136, 199)) as [number, number, number];
  const [ofAll] = (await add(null, 200)) as [number];
  await dataSource.query(
    `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome, http_status)
     select id, $2, n, now(), 1, case n when 2 then 'delivered' else 'retry' end, 200 from unnest($1::bigint[]) id, generate_series(1, 2) n`,
    [[attempted, ofAll], CHANGE],
  );
  await dataSource.query(`insert into dispatch.agent_cursor (client_id, agent_id, last_sequence) values (12, 136, 3)`);
  await dataSource.query(
    `insert into dispatch.behind (agent_event_id, client_id, agent_id, hash, next_sequence, attempts, due_at, head_change_id)
     values ($1, 12, 136, 1, 3, 0, now(), $3), ($2, 12, 136, 1, 1, 2, now(), gen_random_uuid())`,
    [head, waiting, CHANGE],
  );
  const [many, events] = await explain();
  expect(many).toBe(few);
  expect(events).toHaveLength(400);
  const found = events
    .filter(({ delivery }) => delivery !== null)
    .map(({ id, delivery }) => [id, delivery!.status, delivery!.attempts.length]);
  expect(found).toEqual([
    [attempted, 'delivered', 2],
    [head, 'waiting', 0],
    [waiting, 'waiting', 0],
    [ofAll, 'delivered', 2],
  ]);
});

it('says of a change that is kept for longer than its attempts that these are not kept, and not that there were none', async () => {
  const agent = { ...AGENT, agentId: 137 };
  const at = new Date(Date.now() - 20 * DAY_MS);
  await dataSource.query(`select presence.put_agent(12, 'local', 137, '102')`);
  const days = `($1::timestamptz at time zone 'utc')::date - 1, ($1::timestamptz at time zone 'utc')::date + 1`;
  await dataSource.query(`select public.rollcall_add_partitions('presence.status_change', ${days})`, [at]);
  await dataSource.query(`select dispatch.add_partitions('30 days')`);
  const rows = new DeliveryRows(poolOf(dataSource));
  const change = await rows.addLogin(agent, at);
  await rows.plan(agent);
  const add = async (eventType: string, addedAt: Date, changedAt = addedAt, afterSequence = 0): Promise<number> => {
    const [{ id }]: [{ id: number }] = await dataSource.query(
      `insert into subscription.agent_event
         (client_id, application_id, agent_id, agent_type, url, method, event_type, after_sequence, created_at, updated_at)
       values (12, 1, 137, 'local', 'https://example.com/', 'POST', $1, $2, $3, $4) returning id`,
      [eventType, afterSequence, addedAt, changedAt],
    );
    return id;
  };
  const before = new Date(at.getTime() - DAY_MS);
  const sent = await add('agent-login', before);
  const ofLogouts = await add('agent-logout', before);
  const changedSince = await add('agent-logout', before, new Date());
  const addedSince = await add('agent-logout', new Date(), new Date(), 1);
  await rows.addAttempt(sent, change, 1, 'delivered');
  const explain = async () => {
    const { record, change: of, steps, agent_events } = (await explainer.explain(agent, new Date())) as Explained;
    expect([record, of?.id]).toEqual(['kept', change]);
    const codes = agent_events.filter(({ url }) => url === 'https://example.com/');
    return {
      steps: Object.fromEntries(steps.map(({ step, code }) => [step, code])),
      words: steps.map(({ words }) => words).join(' '),
      events: codes.map(({ id, notified, code }) => [id, notified, code]),
    };
  };
  const against = [
    [ofLogouts, false, 'other_event_type'],
    [addedSince, false, 'other_event_type'],
  ];
  const whileKept = await explain();
  expect(whileKept.steps).toMatchObject({ agent_events: 'told', attempts: 'delivered' });
  expect(whileKept.words).not.toContain('kept');
  expect(whileKept.events).toEqual([
    [sent, true, 'delivered'],
    against[0],
    [changedSince, false, 'other_event_type'],
    against[1],
  ]);

  await eventually('the attempts of then are dropped', async () => {
    const [{ done }]: [{ done: boolean }] = await dataSource.query(`select dispatch.drop_partitions('14 days') as done`);
    return done;
  });
  const later = await explain();
  expect(later.steps).toMatchObject({ change: 'changed', agent_events: 'not_kept', attempts: 'not_kept' });
  expect(later.words).not.toContain('Nothing was to be sent');
  expect(later.events).toEqual([[sent, null, 'not_kept'], against[0], [changedSince, null, 'not_kept'], against[1]]);
});

it('says of a moment before the log that who was told is not kept, but of who was there', async () => {
  const agent = { ...AGENT, agentId: 138 };
  await dataSource.query(`select presence.put_agent(12, 'local', 138, '103')`);
  const added: { id: number }[] = await dataSource.query(
    `insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type, created_at)
     select 12, 1, 138, 'local', 'https://example.com/', 'POST', 'agent-login', at
     from unnest('{2019-12-31Z, 2020-01-02Z}'::timestamptz[]) at returning id`,
  );
  const { record, steps, agent_events } = (await explainer.explain(agent, new Date('2020-01-01T00:00:00Z'))) as Explained;
  expect(record).toBe('not_kept');
  expect(steps.slice(2).map(({ step, code }) => [step, code])).toEqual([
    ['change', 'not_kept'],
    ['agent_events', 'not_kept'],
    ['attempts', 'not_kept'],
  ]);
  const found = agent_events.filter(({ id }) => added.some((one) => one.id === id));
  expect(found.map(({ notified, code }) => [notified, code])).toEqual([
    [null, 'not_kept'],
    [false, 'added_later'],
  ]);
});
