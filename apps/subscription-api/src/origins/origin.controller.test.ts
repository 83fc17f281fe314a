import { afterAll, beforeAll, expect, it } from 'vitest';
import { DeliveryRows } from '../../../../test/support/delivery-rows.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

let api: ApiFixture;
let rows: DeliveryRows;
let event: number;

beforeAll(async () => {
  api = await ApiFixture.start();
  rows = new DeliveryRows(api.pool);
  await api.addAgent(1);
  const add = async (url: string) =>
    (
      (await api.api('demo', 'POST', '/client/@me/agent_events/', { url, event_type: 'agent-login', method: 'GET' })).json as {
        id: number;
      }
    ).id;
  event = await add('http://127.0.0.1:8080/a?x=1');
  await add('HTTP://127.0.0.1:8080/b');
  await add('https://Example.com:443#here');
  await add('https://example.com\\b');
  await api.api('other', 'POST', '/client/@me/agent_events/', {
    url: 'http://127.0.0.1:1/',
    event_type: 'agent-login',
    method: 'GET',
  });
});

afterAll(() => api.stop());

const list = async () => (await api.api('reader', 'GET', '/client/@me/origin/')).json;
const WELL = { state: 'closed', since: null, next_probe_at: null, last_error: null, waiting: 0 };

it('lists the origins of one’s own agent events, however they are written', async () => {
  expect(await list()).toEqual([
    { origin: 'http://127.0.0.1:8080', agent_events: 2, ...WELL },
    { origin: 'https://example.com', agent_events: 2, ...WELL },
  ]);
});

it('tells which are not sent to, by any dispatcher that is there, and what waits', async () => {
  const head = await rows.addLogin({ agentId: 1 });
  await rows.addLogin({ agentId: 1 });
  await rows.plan({ agentId: 1 });
  await rows.fallBehind(event, head, { attempts: 1 });
  const say = (state: string, seen: string, clientId = 12) =>
    api.pool.query(
      `insert into dispatch.origin_state values ($1, 'http://127.0.0.1:8080', gen_random_uuid(), $2, now() - interval '1 hour', now() + interval '5 s', 'connection refused', now() - $3::interval)`,
      [clientId, state, seen],
    );
  await say('open', '2 minutes'); // that one is gone
  await say('open', '0', 13);
  await say('closed', '5 minutes');
  expect(await list()).toMatchObject([
    { state: 'closed', since: expect.any(String) as string, waiting: 2 },
    { origin: 'https://example.com' },
  ]);
  await say('probing', '1 second');
  await say('open', '1 second');
  expect(await list()).toMatchObject([
    {
      state: 'open',
      since: expect.any(String) as string,
      next_probe_at: expect.any(String) as string,
      last_error: 'connection refused',
    },
    WELL,
  ]);
  expect((await api.api('reader', 'GET', '/client/@me/origin?state=open')).status).toBe(400);
});
