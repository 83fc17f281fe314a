import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, type Answer } from '../../../../test/support/client.js';
import { ApiFixture, type ApplicationName } from '../../../../test/support/subscription-api.js';

const shown = ({ headers }: Answer) => [headers.get('x-ratelimit-limit'), headers.get('x-ratelimit-remaining')];

describe('the rate limit', () => {
  it('counts each application for itself', async () => {
    const api = await ApiFixture.start({ RATE_LIMIT: { requests: 3, windowMs: 3_600_000 } });
    const user = (app: ApplicationName) => api.api(app, 'GET', '/user');
    expect(shown(await user('demo'))).toEqual(['3', '2']);
    await user('demo');
    expect(shown(await user('demo'))).toEqual(['3', '0']);
    const refused = await user('demo');
    expect([refused.status, refused.json]).toEqual([429, expect.objectContaining({ status: 'rate_limit_exceeded' })]);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(refused.headers.get('x-ratelimit-reset')).toBe(refused.headers.get('retry-after'));
    expect(shown(await user('other'))).toEqual(['3', '2']);
    await api.stop();
  });

  it('is off', async () => {
    const api = await ApiFixture.start({ RATE_LIMIT: null });
    expect((await api.api('demo', 'GET', '/user')).headers.get('x-ratelimit-limit')).toBeNull();
    await api.stop();
  });

  describe('shows on every response', () => {
    const LIMIT = 1000;
    let api: ApiFixture;
    let used = 0;

    beforeAll(async () => {
      api = await ApiFixture.start({ RATE_LIMIT: { requests: LIMIT, windowMs: 3_600_000 } });
      await api.addAgent(136);
    });

    afterAll(() => api.stop());

    const events = '/client/@me/agent/local/136/event/';
    const json = { 'content-type': 'application/json' };

    it.each<[what: string, status: number, method: string, path: string, headers?: Record<string, string>, body?: string]>([
      ['success', 200, 'GET', '/user'],
      ['no content', 204, 'DELETE', events],
      ['a list that a client cannot see', 403, 'GET', '/client/13/limit/'],
      ['too low an access level', 403, 'GET', '/client/@me/webhook_secret/'],
      ['an agent that is not there', 404, 'GET', '/client/@me/agent/local/999'],
      ['an unknown route', 404, 'GET', '/nothing'],
      ['an unknown route with a body', 404, 'POST', '/nothing', json, '{'],
      ['an unknown method', 405, 'PUT', '/user', json, '{}'],
      ['another method', 405, 'PATCH', events, json, '{}'],
      ['OPTIONS', 204, 'OPTIONS', '/user'],
      ['malformed JSON', 400, 'POST', events, json, '{'],
      ['a wrong field', 400, 'POST', events, json, '{}'],
      ['a wrong query', 400, 'GET', `${events}?page=x`],
      ['a URL that cannot be read', 400, 'GET', '/client/%ff/limit/'],
      ['too long a parameter', 404, 'GET', `/client/${'1'.repeat(2000)}/limit/`],
      ['too large a body', 413, 'POST', events, json, `"${'x'.repeat(2 ** 20)}"`],
      ['another type of body', 415, 'POST', events, { 'content-type': 'text/xml' }, '<a/>'],
    ])('%s: %d, counted for the application', async (_what, status, method, path, headers, body) => {
      const answer = await api.api('reader', method, path, body, headers);
      used++;
      expect([answer.status, ...shown(answer)]).toEqual([status, String(LIMIT), String(LIMIT - used)]);
      expect(Number(answer.headers.get('x-ratelimit-reset'))).toBeGreaterThan(0);
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    });

    it.each<[what: string, status: number, path: string, init: RequestInit]>([
      ['no token', 401, '/api/ver1.0/user', {}],
      ['a bad token', 401, '/api/ver1.0/user', { headers: { authorization: 'Bearer a.b.c' } }],
      ['an unknown route without a token', 404, '/nothing', {}],
      ['an unknown route with a bad token', 404, '/nothing', { headers: { authorization: 'Bearer a.b.c' } }],
      [
        'bad credentials',
        401,
        '/oauth/token',
        { method: 'POST', body: new URLSearchParams({ grant_type: 'client_credentials' }) },
      ],
      ['the public keys', 200, '/.well-known/jwks.json', {}],
    ])('%s: %d, counted for nobody', async (_what, status, path, init) => {
      const answer = await call(api.url + path, init);
      expect([answer.status, ...shown(answer)]).toEqual([status, String(LIMIT), String(LIMIT)]);
    });

    it('a token, counted for nobody', async () => {
      const form = { grant_type: 'client_credentials', client_id: 'other', client_secret: 'other-secret' };
      const answer = await call(`${api.url}/oauth/token`, { method: 'POST', body: new URLSearchParams(form) });
      expect([answer.status, ...shown(answer)]).toEqual([200, String(LIMIT), String(LIMIT)]);
      expect(shown(await api.api('other', 'GET', '/user'))).toEqual([String(LIMIT), String(LIMIT - 1)]);
    });
  });
});
