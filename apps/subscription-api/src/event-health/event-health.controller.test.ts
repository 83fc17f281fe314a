import { afterAll, beforeAll, expect, it } from 'vitest';
import { DeliveryRows } from '../../../../test/support/delivery-rows.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

let api: ApiFixture;
let ofAgent: number;
let ofAll: number;
let paused: number;

beforeAll(async () => {
  api = await ApiFixture.start();
  const rows = new DeliveryRows(api.pool);
  await api.addAgent(1);
  await api.addAgent(2, 'remote');
  const add = async (path: string, url: string, event_type: string) =>
    ((await api.api('demo', 'POST', path, { url, event_type, method: 'POST' })).json as { id: number }).id;
  ofAgent = await add('/client/@me/agent/local/1/event/', 'http://127.0.0.1:9/crm', 'agent-logout');
  ofAll = await add('/client/@me/agent_events/', 'http://127.0.0.1:9/all', 'agent-login');
  paused = await add('/client/@me/agent_events/', 'http://127.0.0.1:9/paused', 'agent-login');
  await api.api('other', 'POST', '/client/@me/agent_events/', {
    url: 'http://127.0.0.1:9/',
    event_type: 'agent-login',
    method: 'GET',
  });
  const head = await rows.addLogin({ agentId: 1 });
  for (let change = 0; change < 6; change++) await rows.addChange({ agentId: 1 }); // logins 3, 5 and 7
  const ofRemote = await rows.addLogin({ agentId: 2 });
  await rows.plan({ agentId: 1 });
  await rows.plan({ agentId: 2 });
  await rows.addAttempt(ofAll, head, 1, 'retry', 503);
  await rows.fallBehind(ofAll, head, { attempts: 1 });
  await rows.fallBehind(ofAll, ofRemote, {});
  await rows.addAttempt(ofAgent, head, 1, 'delivered');
  await rows.sendAgain(ofAgent, head, 0);
  await api.pool.query(`insert into dispatch.event_health (agent_event_id, failing_since) values ($1, now())`, [ofAll]);
  await api.pool.query(
    `insert into dispatch.event_health (agent_event_id, suspended_at, suspended_reason) values ($1, now(), 'paused')`,
    [paused],
  );
  await api.pool.query(
    `insert into dispatch.delivery_series
     select 12, $1, 3600, now() - hours * interval '1 hour', 5, 2, 1, 0, array_fill(0, array[12]) from unnest(array[0, 3, 30]) hours`,
    [ofAll],
  );
});

afterAll(() => api.stop());

const list = async (query = '') =>
  (await api.api('reader', 'GET', `/client/@me/agent_event_health/${query}`)).json as { id: number }[];
const idsOf = async (query: string) => (await list(query)).map(({ id }) => id);

it('shows all agent events of both kinds with their health, and nobody else’s', async () => {
  const [first, second, third, ...others] = await list();
  expect(others).toEqual([]);
  expect(first).toEqual({
    url: 'http://127.0.0.1:9/crm',
    id: ofAgent,
    method: 'POST',
    event_type: 'agent-logout',
    all_agents: false,
    agent_type: 'local',
    agent: { id: 1, agent_type: 'local', name: '000*094@ringme.ru' },
    state: 'active',
    reason: null,
    since: null,
    waiting: 1,
    oldest_waiting: expect.any(String) as string,
    last_outcome: expect.objectContaining({
      outcome: 'delivered',
      attempt: 1,
      delivery_id: expect.stringMatching(/_\d+$/) as string,
    }) as object,
    day: { delivered: 1, failed: 0 },
  });
  expect(second).toMatchObject({
    id: ofAll,
    all_agents: true,
    agent: null,
    state: 'failing',
    reason: null,
    waiting: 5,
    last_outcome: { outcome: 'retry', http_status: 503 },
    day: { delivered: 10, failed: 2 },
  });
  expect(third).toMatchObject({
    id: paused,
    state: 'suspended',
    reason: 'paused',
    waiting: 0,
    oldest_waiting: null,
    last_outcome: null,
  });
  expect((await api.api('reader', 'GET', `/client/@me/agent_events/${ofAll}/health`)).json).toMatchObject({
    status: 'failing',
    backlog: 5,
  });
});

it('is searched', async () => {
  expect(await idsOf('?state=failing')).toEqual([ofAll]);
  expect(await idsOf('?state=suspended')).toEqual([paused]);
  expect(await idsOf('?state=active')).toEqual([ofAgent]);
  expect(await idsOf('?q=CRM')).toEqual([ofAgent]);
  expect(await idsOf('?q=ringme')).toEqual([ofAgent]);
  expect(await idsOf(`?q=${paused}`)).toContain(paused);
  expect(await idsOf('?agent_id=1')).toEqual([ofAgent]);
  expect(await idsOf('?per_page=1&page=2')).toEqual([ofAll]);
  for (const query of ['?state=well', '?status=failing', '?page=x']) {
    expect((await api.api('reader', 'GET', `/client/@me/agent_event_health/${query}`)).status).toBe(400);
  }
});

it('counts the newest attempts of a single agent’s event, and no more of each in a list', async () => {
  // One each 12 s of the last hour, a fifth of them failed.
  await api.pool.query(
    `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome)
     select $1, (left(presence.uuid_v7_floor(at)::text, 24) || right(gen_random_uuid()::text, 12))::uuid, 1, at, 1,
       case when n % 5 = 0 then 'failed' else 'delivered' end
     from generate_series(1, 300) n cross join lateral (select now() - n * interval '12 seconds' as at) a`,
    [ofAgent],
  );
  const [listed] = (await list('?q=crm')) as unknown as [{ day: { delivered: number; failed: number } }];
  expect(listed.day.delivered + listed.day.failed).toBe(200);
  expect(listed.day.failed).toBeGreaterThanOrEqual(39);
  expect(listed.day.failed).toBeLessThanOrEqual(40);
});
