import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiFixture, type ApplicationName } from '../../../../test/support/subscription-api.js';

const EVENT = { url: 'http://127.0.0.1:9/', event_type: 'agent-login', method: 'GET' };
const UNKNOWN = ['is not known here'];

describe('keys that a call does not know', () => {
  let api: ApiFixture;
  let ofAgent: string;
  let ofAll: string;

  beforeAll(async () => {
    api = await ApiFixture.start();
    await api.addAgent(136);
    const idOf = async (path: string) => ((await api.api('demo', 'POST', path, EVENT)).json as { id: number }).id;
    ofAgent = `/client/@me/agent/local/136/event/${await idOf('/client/@me/agent/local/136/event/')}`;
    ofAll = `/client/@me/agent_events/${await idOf('/client/@me/agent_events/')}`;
  });

  afterAll(() => api.stop());

  async function expectRefused(app: ApplicationName, method: string, path: string, body: unknown, key: string): Promise<void> {
    const answer = await api.api(app, method, path, body);
    expect([method, path, answer.status, answer.json]).toEqual([
      method,
      path,
      400,
      { message: 'The request is not valid', status: 'validation_error', errors: { [key]: UNKNOWN } },
    ]);
  }

  const routes = (): [ApplicationName, string, string, object?][] => [
    ['demo', 'GET', '/client/@me/agent_events/'],
    ['demo', 'POST', '/client/@me/agent_events/', EVENT],
    ['demo', 'GET', ofAll],
    ['demo', 'PUT', ofAll, {}],
    ['demo', 'GET', '/client/@me/webhook_secret/'],
    ['demo', 'POST', '/client/@me/webhook_secret/', {}],
    ['platform', 'PUT', '/client/@me/limit/', { agent_event: null }],
    ['demo', 'GET', '/client/@me/agent/local/136/explain'],
    ['demo', 'GET', '/client/@me/agent/'],
    ['demo', 'GET', '/client/@me/agent_status/summary'],
    ['platform', 'GET', '/client/'],
    ['demo', 'POST', '/client/@me/notice_event/', { url: 'https://example.com/', types: ['limit.near'] }],
    ...[
      'audit/',
      'notice/',
      'notice_event/',
      'delivery/',
      'delivery/stream',
      'agent_event_health/',
      'origin/',
      'series/changes',
      'series/deliveries',
    ].map((path): [ApplicationName, string, string] => ['demo', 'GET', `/client/@me/${path}`]),
    ...[ofAgent, ofAll].flatMap((path): [ApplicationName, string, string, object?][] => [
      ['demo', 'GET', `${path}/health`],
      ['demo', 'POST', `${path}/resume`, {}],
      ['demo', 'POST', `${path}/test`, {}],
      ['demo', 'POST', `${path}/pause`, {}],
      ['demo', 'POST', `${path}/replay`, { since: '2026-01-01T00:00:00Z' }],
      ['demo', 'POST', `${path}/replay/count`, { since: '2026-01-01T00:00:00Z' }],
      ['demo', 'GET', `${path}/replay/`],
      ['demo', 'GET', `${path}/delivery/`],
    ]),
  ];

  it('are refused in the query, the key named', async () => {
    for (const [app, method, path, body] of routes()) {
      await expectRefused(app, method, `${path}?dry_run=1`, body, 'dry_run');
      await expectRefused(app, method, `${path}?statuss=failed`, body, 'statuss');
    }
    await expectRefused('demo', 'DELETE', `${ofAll}?id=7`, undefined, 'id');
  });

  it('are refused in the body, the key named', async () => {
    for (const [app, method, path, body] of routes()) {
      if (!body) continue;
      await expectRefused(app, method, path, { ...body, dry_run: true }, 'dry_run');
      await expectRefused(app, method, path, { ...body, toString: null }, 'toString');
    }
  });

  it('are refused in the body of a DELETE, which then removes nothing', async () => {
    const added = (await api.api('demo', 'POST', '/client/@me/agent_events/', EVENT)).json as { id: number };
    const path = `/client/@me/agent_events/${added.id}`;
    await expectRefused('demo', 'DELETE', path, { dry_run: true }, 'dry_run');
    await expectRefused('demo', 'DELETE', `${path}/`, { if_version: 3 }, 'if_version');
    expect((await api.api('demo', 'GET', path)).json).toMatchObject(added);
    expect((await api.api('demo', 'DELETE', path, {})).status).toBe(204);
  });

  it('are told together with what else is wrong', async () => {
    const answer = await api.api('demo', 'POST', '/client/@me/agent_events/', {
      url: 'x',
      methud: 'GET',
      event_type: 'agent-login',
    });
    expect((answer.json as { errors: object }).errors).toEqual({
      url: [expect.any(String)],
      method: ['is required'],
      methud: UNKNOWN,
    });
  });

  it('are not those of the answer, which may be sent back', async () => {
    const event = (await api.api('demo', 'GET', ofAll)).json;
    expect((await api.api('demo', 'PUT', ofAll, event)).json).toEqual(event);
    const limit = (await api.api('platform', 'PUT', '/client/@me/limit/', { agent_event: 50 })).json;
    expect((await api.api('platform', 'PUT', '/client/@me/limit/', limit)).json).toEqual(limit);
  });

  it('need no body, or an empty one, where a call takes none', async () => {
    for (const body of [undefined, {}, '', '  {}  ']) {
      expect((await api.api('demo', 'POST', `${ofAll}/resume/`, body)).status).toBe(201);
    }
    for (const body of [[], null, 1, '"x"']) {
      const answer = await api.api('demo', 'POST', `${ofAll}/resume`, typeof body === 'string' ? body : JSON.stringify(body));
      expect([body, answer.status, (answer.json as { errors: object }).errors]).toEqual([
        body,
        400,
        { body: ['must be absent, or {}'] },
      ]);
    }
  });

  it('are ignored on the routes of the seed, in the directory and at /user', async () => {
    for (const path of ['/user', '/client/@me/limit/', '/client/@me/agent/local/', '/client/@me/agent/local/136', ofAgent]) {
      expect([path, (await api.api('demo', 'GET', `${path}?dry_run=1`)).status]).toEqual([path, 200]);
    }
    expect((await api.api('demo', 'PUT', ofAgent, { dry_run: true })).status).toBe(200);
    const name = { extension_name: '101', note: 'mine' };
    expect((await api.api('demo', 'PUT', '/client/@me/agent/local/136', name)).status).toBe(200);
    const added = await api.api('demo', 'POST', '/client/@me/agent/local/136/event/?x=1', { ...EVENT, id: 5, name: 'mine' });
    expect(added.status).toBe(201);
    const { id } = added.json as { id: number };
    const removed = await api.api('demo', 'DELETE', `/client/@me/agent/local/136/event/${id}`, { dry_run: true });
    expect(removed.status).toBe(204);
  });
});

describe('paths that can name nothing', () => {
  let api: ApiFixture;

  beforeAll(async () => {
    api = await ApiFixture.start();
    await api.addAgent(136);
  });

  afterAll(() => api.stop());

  it.each([
    ['/client/@me/agent/locl/136', 'agent_not_found', 'the type in the path must be local or remote'],
    ['/client/@me/agent/LOCAL/136/event/', 'agent_not_found', 'the type in the path must be local or remote'],
    ['/client/@me/agent/external/', 'not_found', 'the type in the path must be local or remote'],
    ['/client/@me/agent/local/4294967296', 'agent_not_found', 'the agent in the path must be a decimal number below 4294967296'],
    ['/client/@me/agent/local/1e3/explain', 'agent_not_found', 'the agent in the path must be a decimal number below 4294967296'],
    [
      '/client/@me/agent/local/136/event/x',
      'event_not_found',
      'the agent event in the path must be a decimal number below 4294967296',
    ],
    ['/client/@me/agent_events/-1', 'event_not_found', 'the agent event in the path must be a decimal number below 4294967296'],
    ['/client/me/limit/', 'not_found', 'the client in the path must be a decimal number below 4294967296, or @me'],
  ])('%s: %s, and %s', async (path, status, why) => {
    const answer = await api.api('demo', 'GET', path);
    expect([answer.status, answer.json]).toEqual([404, { message: expect.stringContaining(why) as string, status }]);
  });

  it('are told to platform applications as clients', async () => {
    expect((await api.api('platform', 'GET', '/client/0x10/limit/')).json).toEqual({
      message: 'Client not found: the client in the path must be a decimal number below 4294967296, or @me',
      status: 'client_not_found',
    });
  });

  it('says which access level a call needs', async () => {
    const answer = await api.api('reader', 'PUT', '/client/@me/agent/local/136', { extension_name: '101' });
    expect([answer.status, answer.headers.get('www-authenticate'), answer.json]).toEqual([
      403,
      'Bearer error="insufficient_scope"',
      { message: 'The access level call_api does not allow this, which needs all or platform', status: 'app_access_type_deny' },
    ]);
  });
});
