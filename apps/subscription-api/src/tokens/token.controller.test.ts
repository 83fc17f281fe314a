import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { hashSecret } from '#applications';
import { call, type Answer } from '../../../../test/support/client.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

const FIELDS = { grant_type: 'client_credentials', client_id: 'demo', client_secret: 'demo-secret' };
const form = (fields: Record<string, string>): FormData => {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  return data;
};
const formEncode = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1);
const json = (value: unknown): RequestInit => ({ body: JSON.stringify(value), headers: { 'content-type': 'application/json' } });
const basic = (user: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

describe('tokens', () => {
  let api: ApiFixture;

  beforeAll(async () => {
    api = await ApiFixture.start({
      BOOTSTRAP_APPS: [
        { app_id: 'demo', secret: 'demo-secret', client_id: 12, access: 'all' },
        { app_id: 'odd: %+/ü', secret: 'p:%25 ü+', client_id: 14, access: 'call_api' },
        { app_id: 'a+b%2F/c', secret: 'Zk9+Q2/7xQ+1w4kN3pV5yg==', client_id: 14, access: 'call_api' },
      ],
    });
  });

  afterAll(() => api.stop());

  const token = (search: string, init: RequestInit = {}): Promise<Answer> =>
    call(`${api.url}/oauth/token${search}`, { method: 'POST', ...init });
  const query = new URLSearchParams(FIELDS).toString();

  it.each<[string, () => Promise<Answer>]>([
    ['an urlencoded body', () => token('', { body: new URLSearchParams(FIELDS) })],
    ['a multipart body', () => token('', { body: form(FIELDS) })],
    ['a JSON body', () => token('', json(FIELDS))],
    ['the query string', () => token(`?${query}`)],
    [
      'the query string and an empty form',
      () => token(`?${query}`, { body: '', headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
    ],
    [
      'HTTP Basic and a form',
      () =>
        token('/', { headers: basic('demo', 'demo-secret'), body: new URLSearchParams({ grant_type: 'client_credentials' }) }),
    ],
    ['HTTP Basic and the query', () => token('?grant_type=client_credentials', { headers: basic('demo', 'demo-secret') })],
    [
      'percent-encoded HTTP Basic',
      () =>
        token('?grant_type=client_credentials', {
          headers: basic(encodeURIComponent('odd: %+/ü'), encodeURIComponent('p:%25 ü+')),
        }),
    ],
    ...[String, encodeURIComponent, formEncode].flatMap((encode): [string, () => Promise<Answer>][] => [
      [
        `HTTP Basic with a secret in base64, ${encode.name}`,
        () =>
          token('?grant_type=client_credentials', {
            headers: basic(encode('a+b%2F/c'), encode('Zk9+Q2/7xQ+1w4kN3pV5yg==')),
          }),
      ],
    ]),
    [
      'lower-case basic with a body that names the application too',
      () =>
        token('', {
          headers: { authorization: basic('demo', 'demo-secret').authorization.replace('Basic', 'basic') },
          body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'demo' }),
        }),
    ],
  ])('are given for %s', async (_form, ask) => {
    const answer = await ask();
    expect(answer.status).toBe(200);
    expect(answer.text).toMatch(/^\{"access_token":"[\w.-]+","token_type":"Bearer","expires_in":3600,"scope":"all"\}$/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it.each<[string, number, string, () => Promise<Answer>]>([
    ['no grant', 400, 'invalid_request', () => token('', { body: new URLSearchParams({ ...FIELDS, grant_type: '' }) })],
    ['nothing at all', 400, 'invalid_request', () => token('')],
    [
      'another grant',
      400,
      'unsupported_grant_type',
      () => token('', { body: new URLSearchParams({ ...FIELDS, grant_type: 'password' }) }),
    ],
    [
      'a wrong secret',
      401,
      'invalid_client',
      () => token('', { body: new URLSearchParams({ ...FIELDS, client_secret: 'demo-secreT' }) }),
    ],
    [
      'an unknown application',
      401,
      'invalid_client',
      () => token('', { body: new URLSearchParams({ ...FIELDS, client_id: 'nobody' }) }),
    ],
    ['a zero byte', 401, 'invalid_client', () => token('', { body: new URLSearchParams({ ...FIELDS, client_id: 'demo\0' }) })],
    [
      'no secret',
      401,
      'invalid_client',
      () => token('', { body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'demo' }) }),
    ],
    ['an empty Basic password', 401, 'invalid_client', () => token(`?${query}`, { headers: basic('demo', '') })],
    ['a field that is no string', 400, 'invalid_request', () => token('', json({ ...FIELDS, client_secret: 1 }))],
    ['malformed JSON', 400, 'invalid_request', () => token('', { body: '{', headers: { 'content-type': 'application/json' } })],
    ['another type of body', 415, 'invalid_request', () => token('', { body: '<a/>', headers: { 'content-type': 'text/xml' } })],
  ])('are refused for %s', async (_what, status, error, ask) => {
    const answer = await ask();
    expect(answer.status).toBe(status);
    expect(answer.json).toEqual({ error, error_description: expect.any(String) as string });
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('ask for HTTP Basic again where it was wrong', async () => {
    for (const headers of [basic('demo', 'wrong'), { authorization: 'Basic !!!' }, { authorization: 'basic' }]) {
      const answer = await token('?grant_type=client_credentials', { headers });
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="rollcall"']);
    }
  });

  it.each([{ 'x-requested-with': 'XMLHttpRequest' }, { 'sec-fetch-mode': 'cors', 'user-agent': 'Mozilla/5.0' }])(
    'do not have a browser ask instead of the page that did: %o',
    async (headers) => {
      // fetch sets these two itself.
      const { statusCode, headers: answered } = await new Promise<IncomingMessage>((resolve, reject) => {
        request(`${api.url}/oauth/token?grant_type=client_credentials`, {
          method: 'POST',
          headers: { ...headers, ...basic('demo', 'wrong') },
        })
          .on('response', (response) => {
            response.resume();
            resolve(response);
          })
          .on('error', reject)
          .end();
      });
      expect([statusCode, answered['www-authenticate']]).toEqual([401, undefined]);
    },
  );

  it('say where they are given out: RFC 8414', async () => {
    const path = '/.well-known/oauth-authorization-server';
    for (const slash of ['', '/']) {
      const answer = await call(`${api.url}${path}${slash}`);
      expect(answer.json).toMatchObject({
        issuer: api.url,
        token_endpoint: `${api.url}/oauth/token`,
        jwks_uri: `${api.url}/.well-known/jwks.json`,
        grant_types_supported: ['client_credentials'],
        token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      });
    }
    const named = await ApiFixture.startService(api.database.url, { PUBLIC_URL: 'https://rollcall.example.com/base' });
    expect((await call(named.url + path)).json).toMatchObject({
      issuer: 'https://rollcall.example.com/base',
      token_endpoint: 'https://rollcall.example.com/base/oauth/token',
    });
    await named.stop();
  });

  it.each(['TRACE', 'PROPFIND', 'QUERY', 'PURGE', 'PATCH', 'MADE-UP'])('answer %s with what is served', async (method) => {
    for (const [path, allow] of [
      ['/oauth/token', 'POST, OPTIONS'],
      ['/oauth/token/', 'POST, OPTIONS'],
      ['/.well-known/jwks.json', 'GET, HEAD, OPTIONS'],
      ['/api/ver1.0/user', 'GET, HEAD, OPTIONS'],
      ['/api/ver1.0/client/@me/agent/local/136/event/7/', 'GET, HEAD, PUT, DELETE, OPTIONS'],
      ['/api/docs', 'GET, HEAD, OPTIONS'],
      ['/health/live', 'GET, HEAD, OPTIONS'],
    ] as const) {
      const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
      socket.write(`${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      const answer = await text(socket);
      expect(answer).toMatch(/^HTTP\/1\.1 405 [^]*"status":"method_not_allowed"/);
      expect([path, /^allow: (.*)\r$/im.exec(answer)?.[1]]).toEqual([path, allow]);
    }
  });

  it('can be verified with the published keys by anybody', async () => {
    const keys = await call(`${api.url}/.well-known/jwks.json`);
    expect(keys.headers.get('cache-control')).toMatch(/public, max-age=\d+/);
    expect(keys.text).not.toContain('"d"');
    const { access_token } = (await token(`?${query}`)).json as { access_token: string };
    const { payload } = await jwtVerify(access_token, createLocalJWKSet(keys.json as JSONWebKeySet));
    expect(payload).toMatchObject({ sub: 'demo', client_id: '12', access: 'all' });
  });

  it('are all good at once, on every instance', async () => {
    const second = await ApiFixture.startService(api.database.url);
    const { access_token: first } = (await token(`?${query}`)).json as { access_token: string };
    const { access_token: other } = (await call(`${second.url}/oauth/token?${query}`, { method: 'POST' })).json as {
      access_token: string;
    };
    for (const url of [api.url, second.url]) {
      for (const one of [first, other]) {
        for (const slash of ['', '/']) {
          const user = await call(`${url}/api/ver1.0/user${slash}`, { headers: { authorization: `Bearer ${one}` } });
          expect(user.text).toMatch(/^\{"id":\d+,"login":"demo","admin":false,"client_id":12,"access":"all"\}$/);
        }
      }
    }
    await second.stop();
  });

  it('are given while others send 700 wrong requests at once', async () => {
    const ask = (client_id: string, client_secret: string, url = api.url) =>
      call(`${url}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id, client_secret }),
      });
    const flood = Promise.all(
      Array.from({ length: 700 }, async (_, n) => (await (n % 2 ? ask('demo', `x${n}`) : ask(`nobody-${n}`, 'x'))).status),
    );
    for (let n = 0; n < 6; n++) expect((await ask('demo', 'demo-secret')).status).toBe(200);
    const statuses = new Set(await flood);
    expect([...statuses].sort()).toEqual([401, 503]);
  }, 180_000);

  it('are not given to an application that was revoked', async () => {
    const fields = { grant_type: 'client_credentials', client_id: 'gone', client_secret: 'secret' };
    await api.pool.query(
      `insert into access.application (app_id, client_id, access, secret_hash, revoked_at) values ('gone', 12, 'all', $1, now())`,
      [await hashSecret('secret')],
    );
    expect((await token('', { body: new URLSearchParams(fields) })).status).toBe(401);
  });

  it('never change an application that is there', async () => {
    const before = await api.pool.query('select * from access.application order by id');
    const again = await ApiFixture.startService(api.database.url, {
      BOOTSTRAP_APPS: [{ app_id: 'demo', secret: 'another-secret', client_id: 99, access: 'platform' }],
    });
    await again.stop();
    expect((await api.pool.query('select * from access.application order by id')).rows).toEqual(before.rows);
  });
});

describe('instances that start together', () => {
  it('make one signing key', async () => {
    const api = await ApiFixture.start();
    await api.pool.query('delete from access.signing_key');
    const others = await Promise.all([1, 2, 3].map(() => ApiFixture.startService(api.database.url)));
    expect((await api.pool.query('select 1 from access.signing_key')).rowCount).toBe(1);
    await Promise.all(others.map((one) => one.stop()));
    await api.stop();
  });

  it('say why a signing key cannot be opened', async () => {
    const api = await ApiFixture.start();
    const refused = ApiFixture.startService(api.database.url, { ENCRYPTION_KEY: 'another encryption key' });
    await expect(refused).rejects.toThrow(/ENCRYPTION_KEY/);
    await vi.waitFor(async () => {
      const { rows } = await api.pool.query<{ n: string }>(
        `select count(*) as n from pg_stat_activity where datname = current_database() and application_name = 'rollcall-subscription-api'`,
      );
      expect(Number(rows[0]!.n)).toBeLessThanOrEqual(10);
    });
    await api.stop();
  });
});
