import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, type Answer } from '../../../../test/support/client.js';
import { eventually } from '../../../../test/support/poll.js';
import { ApiFixture, type ApplicationName } from '../../../../test/support/subscription-api.js';

interface Registered {
  readonly app_id: string;
  readonly secret: string;
}

describe('applications', () => {
  let api: ApiFixture;
  let second: { readonly url: string; stop(): Promise<void> };
  let count = 0;

  beforeAll(async () => {
    api = await ApiFixture.start();
    second = await ApiFixture.startService(api.database.url);
  });

  afterAll(async () => {
    await second.stop();
    await api.stop();
  });

  const platform = (method: string, path: string, body?: unknown): Promise<Answer> =>
    api.api('platform', method, `/application${path}`, body);

  async function register(more: object = {}): Promise<Registered> {
    const answer = await platform('POST', '/', { app_id: `app-${++count}`, client_id: 12, access: 'call_api', ...more });
    expect(answer.status).toBe(201);
    return answer.json as Registered;
  }

  /** Asks for a token; of another instance where told. */
  const ask = ({ app_id, secret }: Registered, url = api.url): Promise<Answer> =>
    call(`${url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: app_id, client_secret: secret }),
    });
  const statusesOf = async (application: Registered) => [
    (await ask(application)).status,
    (await ask(application, second.url)).status,
  ];

  it.each(['/', ''])('are registered at application%s with a secret that is shown once', async (slash) => {
    const answer = await platform('POST', slash, { app_id: `crm${slash}`, client_id: '77', access: 'all', secret: 'chosen' });
    expect(answer.status).toBe(201);
    expect(answer.json).toEqual({
      app_id: `crm${slash}`,
      client_id: 77,
      access: 'all',
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
      revoked_at: null,
      secret: expect.stringMatching(/^[\w-]{43}$/) as string,
    });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const { secret, ...rest } = answer.json as Registered;
    const path = `/${encodeURIComponent(rest.app_id)}`;
    expect([(await platform('GET', path)).json, (await platform('GET', `${path}/`)).json]).toEqual([rest, rest]);
    expect((await ask({ ...rest, secret })).status).toBe(200);
    expect((await ask({ ...rest, secret: 'chosen' })).status).toBe(401);
    const { rows } = await api.pool.query<object>('select * from access.application where app_id = $1', [rest.app_id]);
    expect(JSON.stringify(rows)).not.toContain(secret);
    // The client exists from now on, and has a secret that signs.
    expect((await api.api('platform', 'GET', '/client/77/webhook_secret/')).json).toHaveLength(1);
  });

  it('have any name that a path can hold, and no other', async () => {
    for (const app_id of ['a b', 'a/b', 'ü:%2F+?#', 'x'.repeat(255), '…'.repeat(255), '__proto__']) {
      const registered = await register({ app_id });
      expect((await platform('GET', `/${encodeURIComponent(app_id)}`)).json).toMatchObject({ app_id });
      expect((await ask(registered)).status).toBe(200);
      expect((await platform('DELETE', `/${encodeURIComponent(app_id)}`)).status).toBe(204);
    }
  });

  it.each<[string, unknown, Record<string, string[]>]>([
    [
      'nothing',
      {},
      {
        app_id: ['is required'],
        client_id: ['is required'],
        access: ['is required'],
      },
    ],
    [
      'null',
      { app_id: null, client_id: null, access: null },
      {
        app_id: ['must be a string'],
        client_id: ['must be a whole number from 0 to 4294967295'],
        access: ['must be one of: call_api, all, platform'],
      },
    ],
    ['an empty name', { app_id: '', client_id: 12, access: 'all' }, { app_id: ['must not be empty'] }],
    ['a long name', { app_id: 'x'.repeat(256), client_id: 12, access: 'all' }, { app_id: ['must have at most 255 characters'] }],
    ['a zero byte', { app_id: 'a\0', client_id: 12, access: 'all' }, { app_id: ['must not contain control characters'] }],
    ['half a letter', '{"app_id":"\\ud800","client_id":12,"access":"all"}', { app_id: ['must not contain control characters'] }],
    ['two dots', { app_id: '..', client_id: 12, access: 'all' }, { app_id: ['must not be . or ..'] }],
    [
      'a large client',
      { app_id: 'a', client_id: 4294967296, access: 'all' },
      { client_id: ['must be a whole number from 0 to 4294967295'] },
    ],
    ['access in capitals', { app_id: 'a', client_id: 1, access: 'ALL' }, { access: ['must be one of: call_api, all, platform'] }],
    ['an array', [], { body: ['must be a JSON object'] }],
  ])('are not registered with %s', async (_what, body, errors) => {
    const answer = await platform('POST', '/', body);
    expect([answer.status, answer.json]).toEqual([400, expect.objectContaining({ status: 'validation_error', errors })]);
  });

  it('are registered once, however many ask at the same time', async () => {
    const body = { app_id: 'race', client_id: 12, access: 'all' };
    const answers = await Promise.all(Array.from({ length: 12 }, () => platform('POST', '/', body)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    for (const { status, json } of answers.filter(({ status }) => status !== 201)) {
      expect([status, json]).toEqual([
        409,
        { message: expect.stringContaining('race is taken') as string, status: 'already_exists' },
      ]);
    }
    expect((await ask(answers.find(({ status }) => status === 201)!.json as Registered)).status).toBe(200);
  });

  it('are listed in order, by page and by client', async () => {
    for (let n = 0; n < 3; n++) await register({ app_id: `listed-${n}`, client_id: 4_000_000_000 });
    const names = async (query: string) =>
      ((await platform('GET', `/${query}`)).json as Registered[]).map(({ app_id }) => app_id);
    expect(await names('?client_id=4000000000')).toEqual(['listed-0', 'listed-1', 'listed-2']);
    expect(await names('?client_id=4000000000&page=2&per_page=2')).toEqual(['listed-2']);
    expect(await names('?client_id=4000000001')).toEqual([]);
    expect((await names('?per_page=4')).slice(0, 4)).toEqual(['reader', 'demo', 'platform', 'other']);
    expect((await platform('GET', '/')).text).not.toContain('secret');
    const wrong = await platform('GET', '/?client_id=x&page=0');
    expect(wrong.json).toMatchObject({ errors: { client_id: [expect.any(String)], page: [expect.any(String)] } });
  });

  it('are not found when they are not there', async () => {
    for (const [method, path] of [
      ['GET', '/nobody'],
      ['GET', '/%00'],
      ['GET', `/${'x'.repeat(300)}`],
      ['POST', '/nobody/secret'],
      ['DELETE', '/nobody'],
    ] as const) {
      const answer = await platform(method, path);
      expect([path, answer.status, answer.json]).toEqual([
        path,
        404,
        { message: expect.any(String) as string, status: 'not_found' },
      ]);
    }
  });

  it('are the platform’s business alone', async () => {
    const { app_id } = await register();
    for (const app of ['reader', 'demo', 'other'] satisfies ApplicationName[]) {
      for (const [method, path, body] of [
        ['POST', '/', { app_id: 'mine', client_id: 12, access: 'platform' }],
        ['GET', '/'],
        ['GET', `/${app_id}`],
        ['POST', `/${app_id}/secret`],
        ['DELETE', `/${app_id}`],
      ] as const) {
        const answer = await api.api(app, method, `/application${path}`, body);
        expect([method, path, answer.status, answer.json]).toEqual([
          method,
          path,
          403,
          expect.objectContaining({ status: 'app_access_type_deny' }),
        ]);
      }
    }
    expect((await call(`${api.url}/api/ver1.0/application/`)).status).toBe(401);
  });

  it('get a new secret, and lose the old one at once, on every instance', async () => {
    const old = await register();
    expect(await statusesOf(old)).toEqual([200, 200]);
    const answer = await platform('POST', `/${old.app_id}/secret`);
    expect(answer.status).toBe(201);
    const renewed = answer.json as Registered;
    expect(answer.json).toEqual({ ...old, secret: expect.not.stringMatching(old.secret) as string });
    expect(await statusesOf(old)).toEqual([401, 401]);
    expect(await statusesOf(renewed)).toEqual([200, 200]);
  });

  it('keep the old secret for as long as is asked', async () => {
    const old = await register();
    const rotate = async (keep: number) =>
      (await platform('POST', `/${old.app_id}/secret/`, { keep_previous_for: keep })).json as Registered;
    const renewed = await rotate(3600);
    for (const one of [old, renewed]) expect(await statusesOf(one)).toEqual([200, 200]);
    await api.pool.query(
      `update access.application set previous_secret_expires_at = previous_secret_expires_at - interval '1 hour' where app_id = $1`,
      [old.app_id],
    );
    expect([await statusesOf(old), await statusesOf(renewed)]).toEqual([
      [401, 401],
      [200, 200],
    ]);
    // Only the one before goes on.
    const third = await rotate(86_400);
    const fourth = await rotate(1);
    expect((await ask(renewed)).status).toBe(401);
    expect((await ask(fourth)).status).toBe(200);
    await eventually('the end of the old secret', async () => (await ask(third)).status === 401);
  });

  it.each([-1, 86_401, 1.5, '60', null])('are not rotated to keep the old secret for %j seconds', async (keep_previous_for) => {
    const answer = await platform('POST', '/other/secret', { keep_previous_for });
    expect([answer.status, answer.json]).toEqual([
      400,
      expect.objectContaining({ errors: { keep_previous_for: ['must be a whole number from 0 to 86400'] } }),
    ]);
  });

  it('are refused when they are revoked: no token, and none of those that they have', async () => {
    const application = await register({ access: 'platform' });
    await platform('POST', `/${application.app_id}/secret`, { keep_previous_for: 3600 });
    const tokens = [await ask(application), await ask(application, second.url)].map(
      ({ json }) => (json as { access_token: string }).access_token,
    );
    const user = async (url: string, token: string) =>
      (await call(`${url}/api/ver1.0/user`, { headers: { authorization: `Bearer ${token}` } })).status;
    for (const url of [api.url, second.url]) for (const token of tokens) expect(await user(url, token)).toBe(200);

    const revoked = await platform('DELETE', `/${application.app_id}`);
    expect([revoked.status, revoked.text]).toEqual([204, '']);
    expect(await statusesOf(application)).toEqual([401, 401]);
    for (const url of [api.url, second.url])
      for (const token of tokens) await eventually('401', async () => (await user(url, token)) === 401, 5000);

    const path = `/${application.app_id}`;
    expect((await platform('GET', path)).json).toMatchObject({ revoked_at: expect.stringMatching(/Z$/) as string });
    expect((await platform('DELETE', path)).status).toBe(404);
    expect((await platform('POST', `${path}/secret`)).status).toBe(404);
    const again = await platform('POST', '/', { app_id: application.app_id, client_id: 12, access: 'all' });
    expect([again.status, again.json]).toEqual([409, expect.objectContaining({ status: 'already_exists' })]);
  });

  it('do not revoke themselves', async () => {
    const answer = await platform('DELETE', '/platform');
    expect([answer.status, answer.json]).toEqual([
      400,
      expect.objectContaining({
        status: 'validation_error',
        errors: { app_id: ['is the calling application, which cannot revoke itself'] },
      }),
    ]);
    expect((await platform('GET', '/platform')).json).toMatchObject({ revoked_at: null });
  });

  it('say which methods there are', async () => {
    const answer = await platform('PUT', '/demo', {});
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD, DELETE, OPTIONS']);
  });
});
