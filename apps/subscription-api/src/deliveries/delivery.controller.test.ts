import { uuidv7 } from 'uuidv7';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DeliveryRows } from '../../../../test/support/delivery-rows.js';
import { RecordingReceiver } from '../../../../test/support/receiver.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

describe('deliveries', () => {
  let api: ApiFixture;
  let receiver: RecordingReceiver;
  let eventId: number;
  let path: string;
  let rows: DeliveryRows;

  beforeAll(async () => {
    receiver = await RecordingReceiver.start();
    api = await ApiFixture.start();
    await api.addAgent(136);
    rows = new DeliveryRows(api.pool);
  });

  afterAll(async () => {
    await api.stop();
    await receiver.stop();
  });

  beforeEach(async () => {
    const body = { url: `${receiver.url}/hook?a=1`, event_type: 'agent-login', method: 'POST' };
    const answer = await api.api('demo', 'POST', '/client/@me/agent/local/136/event/', body);
    eventId = (answer.json as { id: number }).id;
    path = `/client/@me/agent/local/136/event/${eventId}`;
  });

  const AGENT = { agentId: 136 };
  const addAttempt = (changeId: string, attempt: number, outcome: 'delivered' | 'retry' | 'failed', status: number | null) =>
    rows.addAttempt(eventId, changeId, attempt, outcome, status);

  it('are listed and shown with every attempt', async () => {
    const delivered = await rows.addLogin(AGENT);
    await addAttempt(delivered, 1, 'retry', null);
    await addAttempt(delivered, 2, 'delivered', 204);
    const retrying = await rows.addLogin(AGENT);
    await addAttempt(retrying, 1, 'retry', 500);
    await rows.fallBehind(eventId, retrying, { attempts: 1 });
    const waiting = await rows.addLogin(AGENT);
    await rows.plan(AGENT);
    const sending = await rows.addLogin(AGENT);

    const list = (await api.api('reader', 'GET', `${path}/delivery/`)).json as object[];
    expect(list).toMatchObject([
      {
        id: `${delivered}_${eventId}`,
        status: 'delivered',
        agent_id: 136,
        agent_status: 'available',
        event_source: 'api',
        expires_at: null,
        attempts: [
          { attempt: 1, outcome: 'retry', http_status: null, error: 'connection refused' },
          { attempt: 2, outcome: 'delivered', http_status: 204, error: null, latency_ms: 12, response: 'body' },
        ],
      },
      {
        id: `${retrying}_${eventId}`,
        status: 'retrying',
        next_attempt_at: '2099-01-01T00:00:00.000Z',
        attempts: [{ http_status: 500 }],
      },
      { id: `${waiting}_${eventId}`, status: 'waiting', next_attempt_at: null, attempts: [] },
      { id: `${sending}_${eventId}`, status: 'sending', next_attempt_at: null },
    ]);
    expect((await api.api('demo', 'GET', `${path}/delivery?per_page=1&page=2`)).json).toEqual([list[1]]);
    expect((await api.api('demo', 'GET', `${path}/delivery/${delivered}_${eventId}/`)).json).toEqual(list[0]);
    expect((await api.api('demo', 'GET', `${path}/health`)).json).toMatchObject({
      status: 'active',
      reason: null,
      backlog: 2,
      oldest_waiting: expect.any(String) as string,
      last_outcome: { outcome: 'retry' },
    });
    const newest = await api.api('demo', 'GET', `${path}/delivery/?status=waiting,sending`);
    expect(newest.json).toMatchObject([{ id: `${sending}_${eventId}` }, { id: `${waiting}_${eventId}` }]);
    const wrong = await api.api('demo', 'GET', `${path}/delivery/?status=waiting&page=2`);
    expect([wrong.status, Object.keys((wrong.json as { errors: object }).errors)]).toEqual([400, ['page']]);
  });

  it('are found under their own agent event alone', async () => {
    const change = await rows.addLogin(AGENT);
    await rows.plan(AGENT);
    for (const id of [`${change}_${eventId}`, `${uuidv7()}_${eventId}`, `${change}_1`, change, 'x', `${change}_99999999999`]) {
      for (const [method, suffix] of [
        ['GET', ''],
        ['POST', '/redeliver'],
      ] as const) {
        const answer = await api.api('demo', method, `${path}/delivery/${id}${suffix}`);
        expect([id, answer.status, answer.json]).toEqual([id, 404, expect.objectContaining({ status: 'delivery_not_found' })]);
      }
    }
  });

  it('can be tried with a test that is marked and signed', async () => {
    receiver.answer((_request, response) => response.writeHead(418).end('teapot'));
    const tested = await api.api('demo', 'POST', `${path}/test`);
    expect(tested.status).toBe(201);
    expect(tested.json).toEqual({ status: 418, latency_ms: expect.any(Number) as number, body: 'teapot', error: null });
    const request = receiver.requests.at(-1)!;
    expect(request.url).toBe('/hook?a=1');
    expect(request.body).toBe(
      'agent_status=available&agent_type=local&event_source=api&agent_id=136&extension_name=000*094%40ringme.ru',
    );
    expect(request.headers).toMatchObject({ 'webhook-test': '1', 'webhook-attempt': '1' });
    const [secret] = (await api.api('demo', 'GET', '/client/@me/webhook_secret/')).json as { secret: string }[];
    const verifier = new Webhook(secret!.secret);
    verifier.verify(request.body, request.headers as Record<string, string>, { jsonParse: false }); // throws where the signature is wrong

    await api.api('demo', 'PUT', path, { url: 'http://127.0.0.1:9/' });
    expect((await api.api('demo', 'POST', `${path}/test`)).json).toMatchObject({
      status: null,
      body: null,
      error: expect.any(String) as string,
    });
  });

  it('are explained', async () => {
    const change = await rows.addLogin(AGENT);
    await addAttempt(change, 1, 'delivered', 200);
    await api.api('demo', 'POST', '/client/@me/agent_events', {
      url: 'https://example.com/',
      event_type: 'AGENT-LOGOUT',
      method: 'get',
      agent_type: 'Local',
    });
    const explained = await api.api('reader', 'GET', '/client/@me/agent/local/136/explain');
    expect(explained.json).toMatchObject({
      change: { id: change },
      decision: expect.stringContaining('changed the status to available') as string,
    });
    const { agent_events } = explained.json as {
      agent_events: { id: number; notified: boolean; reason: string; all_agents: boolean }[];
    };
    expect(agent_events.find(({ id }) => id === eventId)).toMatchObject({
      notified: true,
      reason: 'it was delivered',
      all_agents: false,
    });
    expect(agent_events.find(({ all_agents }) => all_agents)).toMatchObject({
      notified: false,
      reason: expect.stringContaining('agent-logout') as string,
    });
    const before = await api.api('reader', 'GET', '/client/@me/agent/local/136/explain?at=2020-01-01T00:00:00Z');
    expect(before.json).toMatchObject({ change: null, record: 'not_kept', kept_since: expect.any(String) as string });
    expect((await api.api('reader', 'GET', '/client/@me/agent/local/136/explain?at=x')).status).toBe(400);
    expect((await api.api('reader', 'GET', '/client/@me/agent/local/999/explain')).json).toMatchObject({
      status: 'agent_not_found',
    });
  });
});

describe('agent events of all agents', () => {
  let api: ApiFixture;

  beforeAll(async () => {
    api = await ApiFixture.start();
  });

  afterAll(() => api.stop());

  it('are added, read, changed and removed, and count one', async () => {
    const base = '/client/@me/agent_events';
    const event = { url: 'https://example.com/', event_type: 'agent-login', method: 'GET' };
    await api.addAgent(136);
    await api.pool.query('update presence.agent set sequence = 7 where agent_id = 136');
    const added = await api.api('demo', 'POST', `${base}/`, event);
    const { id } = added.json as { id: number };
    expect([added.status, added.text]).toEqual([
      201,
      `{"url":"https://example.com/","id":${id},"method":"GET","event_type":"agent-login","agent_type":null}`,
    ]);
    expect((await api.pool.query('select agent_id::int, after_sequence::int from subscription.client_event_start')).rows).toEqual(
      [{ agent_id: 136, after_sequence: 7 }],
    );
    expect((await api.api('demo', 'PUT', `${base}/${id}`, { agent_type: 'REMOTE' })).json).toMatchObject({
      agent_type: 'remote',
    });
    expect((await api.api('demo', 'PUT', `${base}/${id}`, { agent_type: null })).json).toMatchObject({ agent_type: null });
    expect((await api.api('demo', 'PUT', `${base}/${id}`, { agent_type: 'x' })).status).toBe(400);
    expect((await api.api('demo', 'GET', base)).json).toHaveLength(1);
    expect((await api.api('demo', 'GET', '/client/@me/limit/')).text).toBe('{"agent_event":1000,"agent_event_used":1}');
    expect((await api.api('demo', 'GET', `/client/@me/agent/local/136/event/${id}`)).json).toMatchObject({
      status: 'event_not_found',
    });
    expect((await api.api('demo', 'GET', `${base}/${id}/health`)).json).toMatchObject({ status: 'active' });
    expect((await api.api('other', 'GET', `${base}/${id}`)).json).toMatchObject({ status: 'event_not_found' });
    expect((await api.api('demo', 'DELETE', `${base}/${id}`)).status).toBe(204);
    expect((await api.api('demo', 'DELETE', `${base}/${id}`)).json).toMatchObject({ status: 'event_not_found' });
  });

  it('and secrets rotate, the former one signing along', async () => {
    const base = '/client/@me/webhook_secret';
    const [first] = (await api.api('demo', 'GET', `${base}/`)).json as {
      id: number;
      secret: string;
      expires_at: string | null;
    }[];
    expect(first).toMatchObject({ secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]+=*$/) as string, expires_at: null });
    const rotated = await api.api('demo', 'POST', base);
    expect([rotated.status, rotated.json]).toEqual([201, expect.objectContaining({ expires_at: null })]);
    const both = (await api.api('demo', 'GET', base)).json as { secret: string; expires_at: string | null }[];
    expect(both).toMatchObject([{ secret: first!.secret, expires_at: expect.any(String) as string }, rotated.json]);
    await Promise.all(Array.from({ length: 5 }, () => api.api('demo', 'POST', base)));
    const all = (await api.api('demo', 'GET', base)).json as { expires_at: string | null }[];
    expect(all.filter(({ expires_at }) => expires_at === null)).toHaveLength(1);
    expect(all).toHaveLength(7);
  });
});
