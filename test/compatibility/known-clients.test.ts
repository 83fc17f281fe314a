import { request } from 'node:http';
import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AllInOne } from '../support/all-in-one.js';
import { call, fetchToken, RestClient, type Answer } from '../support/client.js';

/** What the clients that exist today do, and must go on doing unchanged: contract §1 to §3. */
describe('known clients', () => {
  let system: AllInOne;
  let demo: RestClient;
  const EVENTS = '/client/@me/agent/local/136/event/';
  const EVENT = { url: 'http://127.0.0.1:9/hook', event_type: 'agent-login', method: 'GET' };

  beforeAll(async () => {
    system = await AllInOne.start();
    demo = await RestClient.create(system.urls, 'demo', 'demo-secret');
  });

  afterAll(async () => {
    await system.remove();
  });

  beforeEach(async () => {
    expect((await demo.api('DELETE', EVENTS)).status).toBe(204);
  });

  async function addEvent(): Promise<number> {
    const answer = await demo.api('POST', EVENTS, EVENT);
    expect(answer.status).toBe(201);
    return (answer.json as { id: number }).id;
  }

  describe('ask for a token', () => {
    const FIELDS = { grant_type: 'client_credentials', client_id: 'demo', client_secret: 'demo-secret' };
    const query = new URLSearchParams(FIELDS).toString();
    const form = (): FormData => {
      const data = new FormData();
      for (const [name, value] of Object.entries(FIELDS)) data.set(name, value);
      return data;
    };
    const basic = { authorization: `Basic ${Buffer.from('demo:demo-secret').toString('base64')}` };

    const HABITS: Readonly<Record<string, () => Promise<Answer>>> = {
      'by an urlencoded body': () => token('', { body: new URLSearchParams(FIELDS) }),
      'by a multipart body': () => token('', { body: form() }),
      'by the query string': () => token(`?${query}`, {}),
      'by the query string, with an empty urlencoded body': () =>
        token(`?${query}`, { body: '', headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
      'by HTTP Basic and an urlencoded grant': () =>
        token('', { headers: basic, body: new URLSearchParams({ grant_type: 'client_credentials' }) }),
      'by HTTP Basic and the grant in the query': () => token('?grant_type=client_credentials', { headers: basic }),
      'with a trailing slash': () =>
        call(`${system.urls.subscriptionApi}/oauth/token/`, { method: 'POST', body: new URLSearchParams(FIELDS) }),
    };

    function token(search: string, init: RequestInit): Promise<Answer> {
      return call(`${system.urls.subscriptionApi}/oauth/token${search}`, { method: 'POST', ...init });
    }

    it.each(Object.entries(HABITS))('%s', async (_habit, ask) => {
      const answer = await ask();
      expect(answer.status).toBe(200);
      expect(Object.keys(answer.json as object)).toEqual(['access_token', 'token_type', 'expires_in', 'scope']);
      expect(answer.json).toMatchObject({ token_type: 'Bearer', expires_in: 3600, scope: 'all' });
    });

    it('before every call, and go on using the old ones', async () => {
      const tokens = [];
      for (let round = 0; round < 5; round++) tokens.push(await fetchToken(system.urls, 'demo', 'demo-secret'));
      for (const one of tokens) {
        const user = await call(`${system.urls.subscriptionApi}/api/ver1.0/user`, {
          headers: { authorization: `Bearer ${one}` },
        });
        expect(user.status).toBe(200);
      }
    });

    it.each([
      ['HTTP Basic', oauth.ClientSecretBasic('demo-secret')],
      ['the body', oauth.ClientSecretPost('demo-secret')],
    ])('where the discovery says that it is, by %s, as OAuth libraries do', async (_place, authentication) => {
      const loopback = { [oauth.allowInsecureRequests]: true };
      const issuer = new URL(system.urls.subscriptionApi);
      const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...loopback });
      const server = await oauth.processDiscoveryResponse(issuer, found);
      const client = { client_id: 'demo' };
      const asked = await oauth.clientCredentialsGrantRequest(server, client, authentication, { scope: 'all' }, loopback);
      const answer = await oauth.processClientCredentialsResponse(server, client, asked);
      expect(answer).toMatchObject({ token_type: 'bearer', expires_in: 3600, scope: 'all' });
    });

    it('by a grant that there is not, and read which there is', async () => {
      const answer = await token('', { body: new URLSearchParams({ ...FIELDS, grant_type: 'password' }) });
      expect([answer.status, answer.json]).toEqual([
        400,
        { error: 'unsupported_grant_type', error_description: expect.stringContaining('client_credentials') as string },
      ]);
    });

    it('and read a refusal in OAuth form', async () => {
      const answer = await token('', { body: new URLSearchParams({ ...FIELDS, client_secret: 'wrong' }) });
      expect([400, 401]).toContain(answer.status);
      expect(answer.json).toMatchObject({ error: 'invalid_client', error_description: expect.any(String) as string });
    });
  });

  describe('write URLs either way', () => {
    it.each(['', '/'])('collections ending in "%s"', async (slash) => {
      const added = await demo.api('POST', `/client/@me/agent/local/136/event${slash}`, EVENT);
      expect(added.status).toBe(201);
      expect(((await demo.api('GET', `/client/12/agent/local/136/event${slash}`)).json as unknown[]).length).toBe(1);
      expect((await demo.api('GET', `/client/@me/limit${slash}`)).status).toBe(200);
      expect((await demo.api('GET', `/client/@me/agent/local${slash}`)).status).toBe(200);
      expect((await demo.api('DELETE', `/client/@me/agent/local/136/event${slash}`)).status).toBe(204);
    });

    it.each(['', '/'])('items ending in "%s"', async (slash) => {
      const id = await addEvent();
      expect((await demo.api('GET', `${EVENTS}${id}${slash}`)).status).toBe(200);
      expect((await demo.api('PUT', `${EVENTS}${id}${slash}`, {})).status).toBe(200);
      expect((await demo.api('GET', `/user${slash}`)).status).toBe(200);
      expect((await demo.api('GET', `/client/@me/agent/local/136${slash}`)).status).toBe(200);
      expect((await demo.api('DELETE', `${EVENTS}${id}${slash}`)).status).toBe(204);
      expect((await demo.api('GET', `${EVENTS}${id}${slash}`)).status).toBe(404);
    });
  });

  describe('send a Content-Type and no body', () => {
    it.each(['application/json', 'application/x-www-form-urlencoded', 'application/json; charset=utf-8'])('%s', async (type) => {
      const id = await addEvent();
      expect((await demo.api('GET', `${EVENTS}${id}`, undefined, { 'content-type': type })).status).toBe(200);
      const gone = await demo.api('DELETE', `${EVENTS}${id}`, undefined, { 'content-type': type });
      expect([gone.status, gone.text]).toEqual([204, '']);
      expect((await demo.api('DELETE', EVENTS, undefined, { 'content-type': type })).status).toBe(204);
    });

    it('with a Content-Length of 0', async () => {
      const id = await addEvent();
      const bearer = await fetchToken(system.urls, 'demo', 'demo-secret');
      const status = await new Promise<number | undefined>((resolve, reject) => {
        request(
          `${system.urls.subscriptionApi}/api/ver1.0${EVENTS}${id}`,
          {
            method: 'DELETE',
            headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json', 'content-length': '0' },
          },
          (response) => {
            response.resume();
            resolve(response.statusCode);
          },
        )
          .on('error', reject)
          .end();
      });
      expect(status).toBe(204);
    });
  });

  describe('write bodies their own way', () => {
    it.each([
      ['AGENT-LOGIN', 'get'],
      ['Agent-Login', 'Get'],
      ['agent-login', 'GET'],
    ])('%s and %s', async (event_type, method) => {
      const answer = await demo.api('POST', EVENTS, { ...EVENT, event_type, method });
      expect(answer.status).toBe(201);
      expect(answer.json).toMatchObject({ event_type: 'agent-login', method: 'GET' });
    });

    it('after asking whether they may (Expect: 100-continue)', async () => {
      const bearer = await fetchToken(system.urls, 'demo', 'demo-secret');
      const body = JSON.stringify(EVENT);
      const headers = {
        ...{ authorization: `Bearer ${bearer}`, 'content-type': 'application/json; charset=utf-8' },
        ...{ expect: '100-continue', 'content-length': String(body.length) },
      };
      const status = await new Promise<number | undefined>((resolve, reject) => {
        const sent = request(`${system.urls.subscriptionApi}/api/ver1.0${EVENTS}`, { method: 'POST', headers }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        sent.on('continue', () => sent.end(body)).on('error', reject);
        sent.flushHeaders();
      });
      expect(status).toBe(201);
    });

    it('in capitals and small letters, in a PUT', async () => {
      const id = await addEvent();
      const answer = await demo.api('PUT', `${EVENTS}${id}`, { event_type: 'AGENT-LOGOUT', method: 'get' });
      expect([answer.status, answer.json]).toEqual([200, { ...EVENT, id, event_type: 'agent-logout' }]);
    });

    it('echoing the id, and keys of their own, in a PUT', async () => {
      const id = await addEvent();
      const answer = await demo.api('PUT', `${EVENTS}${id}`, { id, ...EVENT, method: 'post', name: 'mine', id_client: null });
      expect(answer.status).toBe(200);
      expect(answer.text).toBe(`{"url":"http://127.0.0.1:9/hook","id":${id},"method":"POST","event_type":"agent-login"}`);
    });

    it('with one field, or none, in a PUT', async () => {
      const id = await addEvent();
      expect((await demo.api('PUT', `${EVENTS}${id}`, { event_type: 'agent-logout' })).json).toEqual({
        ...EVENT,
        id,
        event_type: 'agent-logout',
      });
      expect((await demo.api('PUT', `${EVENTS}${id}`, {})).json).toEqual({ ...EVENT, id, event_type: 'agent-logout' });
    });

    it('in windows-1251, which is refused and not broken', async () => {
      const bearer = await fetchToken(system.urls, 'demo', 'demo-secret');
      const body = Buffer.concat([
        Buffer.from('{"url":"http://127.0.0.1:9/'),
        Buffer.from([0xcf, 0xf0, 0xe8]),
        Buffer.from('"}'),
      ]);
      for (const type of ['application/json', 'application/json; charset=windows-1251']) {
        const answer = await call(`${system.urls.subscriptionApi}/api/ver1.0${EVENTS}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${bearer}`, 'content-type': type },
          body,
        });
        expect(answer.status).toBe(400);
        expect(answer.json).toMatchObject({ status: 'validation_error' });
      }
    });
  });

  it('read answers whose keys stand in the documented order', async () => {
    const added = await demo.api('POST', EVENTS, EVENT);
    const { id } = added.json as { id: number };
    const expected = `{"url":"http://127.0.0.1:9/hook","id":${id},"method":"GET","event_type":"agent-login"}`;
    expect(added.text).toBe(expected);
    expect((await demo.api('GET', `${EVENTS}${id}`)).text).toBe(expected);
    expect((await demo.api('GET', EVENTS)).text).toBe(`[${expected}]`);
    expect((await demo.api('GET', '/client/@me/limit/')).text).toBe('{"agent_event":1000,"agent_event_used":1}');
    expect((await demo.api('GET', '/user')).text).toMatch(
      /^\{"id":\d+,"login":"demo","admin":false,"client_id":12,"access":"all"\}$/,
    );
  });

  it('remove all, and read an empty list as one', async () => {
    await addEvent();
    await addEvent();
    const gone = await demo.api('DELETE', EVENTS);
    expect([gone.status, gone.text, (await demo.api('GET', EVENTS)).text]).toEqual([204, '', '[]']);
    expect((await demo.api('GET', '/client/@me/agent/remote/')).text).toBe('[]');
  });

  it('take a new token after a 401, and go on: add, list, change, remove, remove again', async () => {
    let token = 'an.old.token';
    let renewed = 0;
    const api = async (method: string, path: string, body?: unknown): Promise<Answer> => {
      const send = (): Promise<Answer> =>
        call(`${system.urls.subscriptionApi}/api/ver1.0${path}`, {
          method,
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
      const answer = await send();
      if (answer.status !== 401) return answer;
      renewed++;
      token = await fetchToken(system.urls, 'demo', 'demo-secret');
      return send();
    };
    const added = await api('POST', EVENTS, EVENT);
    const { id } = added.json as { id: number };
    expect([added.status, renewed]).toEqual([201, 1]);
    expect((await api('GET', EVENTS)).json).toEqual([{ ...EVENT, id }]);
    expect((await api('PUT', `${EVENTS}${id}`, { method: 'POST' })).json).toEqual({ ...EVENT, id, method: 'POST' });
    expect((await api('DELETE', `${EVENTS}${id}`)).status).toBe(204);
    const again = await api('DELETE', `${EVENTS}${id}`);
    expect([again.status, again.json, renewed]).toEqual([
      404,
      { message: 'Agent event not found', status: 'event_not_found' },
      1,
    ]);
  });

  it('of another client’s, or for an agent that was never seen, read what is wrong and what to do', async () => {
    const denied = await demo.api('GET', '/client/13/limit/');
    expect([denied.status, denied.json]).toEqual([403, { message: 'Access denied', status: 'access_denied' }]);
    const unseen = await demo.api('POST', '/client/@me/agent/remote/4711/event/', EVENT);
    expect([unseen.status, unseen.json]).toEqual([
      404,
      {
        message: expect.stringMatching(/^Agent not found: .*PUT .*agent_number.*telemetry/) as string,
        status: 'agent_not_found',
      },
    ]);
  });

  it('without a token read exactly this', async () => {
    const answer = await call(`${system.urls.subscriptionApi}/api/ver1.0${EVENTS}`);
    expect([answer.status, answer.text]).toEqual([401, '{"message":"Unauthorized","status":"unauthorized"}']);
  });
});
