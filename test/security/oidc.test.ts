import { createHmac, createPublicKey } from 'node:crypto';
import {
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  importJWK,
  SignJWT,
  type CryptoKey,
  type JWTPayload,
} from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RunningService } from '#runtime';
import { call, type Answer } from '../support/client.js';
import { OpenIdIssuer, type IssuerClient } from '../support/openid-issuer.js';
import { eventually } from '../support/poll.js';
import { startTestPresence } from '../support/presence-service.js';
import { ApiFixture } from '../support/subscription-api.js';
import { LOGIN_ITEM } from '../support/telemetry-item.js';

const AUDIENCE = 'https://rollcall.test/api';
const UNAUTHORIZED = [401, '{"message":"Unauthorized","status":"unauthorized"}'];
const CLIENTS: readonly IssuerClient[] = [
  { id: 'crm', claims: { rollcall_client_id: 12, rollcall_access: 'all' } },
  { id: 'reader', claims: { rollcall_client_id: '12', rollcall_access: 'call_api' } },
  { id: 'pbx', claims: { rollcall_client_id: '1', rollcall_access: 'platform' } },
  { id: 'no-claims', claims: {} },
  { id: 'no-client', claims: { rollcall_access: 'all' } },
  { id: 'odd-client', claims: { rollcall_client_id: '0x0c', rollcall_access: 'all' } },
  { id: 'root', claims: { rollcall_client_id: 12, rollcall_access: 'root' } },
];

describe('an external OpenID issuer', () => {
  let issuer: OpenIdIssuer;
  let api: ApiFixture;
  let presence: RunningService;

  beforeAll(async () => {
    issuer = await OpenIdIssuer.start(CLIENTS);
    const settings = { OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: AUDIENCE };
    const options = { issuerTimes: { refreshMs: 200, rereadMs: 50 } };
    api = await ApiFixture.start(settings, options);
    presence = await startTestPresence(api.database.url, settings, options);
  });

  afterAll(async () => {
    await presence.stop();
    await api.stop();
    await issuer.down();
  });

  beforeEach(() => issuer.up());

  const get = (token: string, path = '/user', url = api.url): Promise<Answer> =>
    call(`${url}/api/ver1.0${path}`, { headers: { authorization: `Bearer ${token}` } });
  const send = (token: string, path: string, body?: unknown, method = 'POST'): Promise<Answer> =>
    call(path, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const refused = async (token: string): Promise<void> => {
    const answer = await get(token);
    expect([answer.status, answer.text]).toEqual(UNAUTHORIZED);
    expect((await send(token, `${presence.url}/telemetry`, [LOGIN_ITEM])).status).toBe(401);
  };
  /** What a good token says, to be changed. */
  const claims = (changes: JWTPayload = {}): JWTPayload => {
    const now = Math.floor(Date.now() / 1000);
    return {
      iss: issuer.url,
      aud: AUDIENCE,
      sub: 'crm',
      client_id: 'crm',
      iat: now,
      exp: now + 600,
      ...CLIENTS[0]!.claims,
      ...changes,
    };
  };
  const applications = async (): Promise<unknown[]> => {
    const { rows } = await api.pool.query<Record<string, unknown>>(
      `select app_id, client_id::int, access from access.application where app_id like 'oidc:%' order by id`,
    );
    return rows;
  };

  it('says who calls, and gives them an id of their own that stays', async () => {
    const token = await issuer.token('crm', AUDIENCE);
    expect(decodeProtectedHeader(token)).toMatchObject({ typ: 'at+jwt', alg: 'RS256' });
    const first = await get(token);
    expect(first.text).toMatch(/^\{"id":\d+,"login":"oidc:12:crm","admin":false,"client_id":12,"access":"all"\}$/);
    expect((await get(await issuer.token('crm', AUDIENCE))).text).toBe(first.text);
    expect((await get(await issuer.token('reader', AUDIENCE))).json).not.toMatchObject({ id: (first.json as { id: number }).id });
    expect(await applications()).toEqual([
      { app_id: 'oidc:12:crm', client_id: 12, access: 'all' },
      { app_id: 'oidc:12:reader', client_id: 12, access: 'call_api' },
    ]);
  });

  it('gives an application that calls first several times at once one id', async () => {
    const token = await issuer.sign(claims({ client_id: 'burst' }));
    const second = await ApiFixture.startService(api.database.url, { OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: AUDIENCE });
    const answers = await Promise.all([api.url, second.url, api.url, second.url].map((url) => get(token, '/user', url)));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    await second.stop();
  });

  it('lets each access level do what it may', async () => {
    const [crm, reader, pbx] = await Promise.all(['crm', 'reader', 'pbx'].map((id) => issuer.token(id, AUDIENCE)));
    const agent = `${api.url}/api/ver1.0/client/@me/agent/local/7`;
    expect((await send(reader!, agent, { extension_name: 'a' }, 'PUT')).json).toMatchObject({ status: 'app_access_type_deny' });
    expect((await send(crm!, agent, { extension_name: 'a' }, 'PUT')).status).toBe(200);
    for (const token of [crm!, reader!]) expect((await send(token, `${presence.url}/telemetry`, [LOGIN_ITEM])).status).toBe(403);
    expect((await send(pbx!, `${presence.url}/telemetry`, [LOGIN_ITEM])).json).toMatchObject([{ result: 'changed' }]);

    const event = { url: 'http://127.0.0.1:1/', method: 'GET', event_type: 'agent-login' };
    for (const token of [crm!, reader!]) expect((await send(token, `${agent}/event/`, event)).status).toBe(201);
    expect((await send(crm!, `${agent}/event/`, undefined, 'DELETE')).status).toBe(204);
    expect((await get(crm!, '/client/@me/agent/local/7/event/')).json).toHaveLength(1); // the other application's
    expect((await get(crm!, '/client/13/limit/')).json).toMatchObject({ status: 'access_denied' });
    expect((await get(pbx!, '/client/12/limit/')).status).toBe(200);
    expect((await get(crm!, '/client/@me/webhook_secret/')).json).toHaveLength(1);
  });

  it('takes access and client from the token, also where the same application was seen with others', async () => {
    const weaker = await issuer.sign(claims({ rollcall_access: 'call_api' }));
    expect((await send(weaker, `${api.url}/api/ver1.0/client/@me/agent/local/8`, { extension_name: 'b' }, 'PUT')).status).toBe(
      403,
    );
    const elsewhere = await issuer.sign(claims({ rollcall_client_id: 77 }));
    expect((await get(elsewhere)).json).toMatchObject({ login: 'oidc:77:crm', client_id: 77 });
    expect((await get(await issuer.token('pbx', AUDIENCE), '/client/77/limit/')).status).toBe(200); // it exists now
  });

  it.each<[string, () => Promise<string> | string]>([
    ['of another audience', () => issuer.token('crm', 'https://other.test/api')],
    ['of another audience among several', () => issuer.sign(claims({ aud: ['https://other.test/', AUDIENCE.toUpperCase()] }))],
    ['without an audience', () => issuer.sign(claims({ aud: undefined }))],
    ['that expired', () => issuer.sign(claims({ exp: Math.floor(Date.now() / 1000) - 6 }))],
    ['that never expires', () => issuer.sign(claims({ exp: undefined }))],
    ['that is not good yet', () => issuer.sign(claims({ nbf: Math.floor(Date.now() / 1000) + 60 }))],
    ['of another issuer, by its words', () => issuer.sign(claims({ iss: `${issuer.url}/` }))],
    ['without claims of ours', () => issuer.token('no-claims', AUDIENCE)],
    ['without a client', () => issuer.token('no-client', AUDIENCE)],
    ['with a client that is no id', () => issuer.token('odd-client', AUDIENCE)],
    ['with an unknown access level', () => issuer.token('root', AUDIENCE)],
    ['of an application without a name', () => issuer.sign(claims({ client_id: '' }))],
    ['of an application whose name PostgreSQL could not keep', () => issuer.sign(claims({ client_id: 'a\0b' }))],
    ['of a logout', () => issuer.sign(claims(), { typ: 'logout+jwt' })],
    ['that is no JWT', () => 'x.y.z'],
  ])('refuses a token %s', async (_what, make) => {
    await refused(await make());
  });

  it('refuses tokens that the issuer did not sign', async () => {
    const { kid, jwk } = issuer.key;
    const stranger = await generateKeyPair('RS256');
    const header = { alg: 'RS256', kid };
    await refused(await new SignJWT(claims()).setProtectedHeader(header).sign(stranger.privateKey));

    const [head, body, signature] = (await issuer.token('crm', AUDIENCE)).split('.') as [string, string, string];
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    await refused(`${head}.${encode({ ...decodeJwt(`${head}.${body}.`), rollcall_access: 'platform' })}.${signature}`);
    for (const alg of ['none', 'None', '']) await refused(`${encode({ alg, kid })}.${body}.`);

    // The public key as the secret of an HMAC, in each form that it could be taken for one.
    const publicKey = createPublicKey({
      key: { ...jwk, d: undefined, p: undefined, q: undefined, dp: undefined, dq: undefined, qi: undefined },
      format: 'jwk',
    });
    const spki = await exportSPKI((await importJWK(publicKey.export({ format: 'jwk' }), 'RS256')) as CryptoKey);
    const forged = `${encode({ alg: 'HS256', kid })}.${body}`;
    for (const secret of [spki, spki.trim(), publicKey.export({ format: 'der', type: 'spki' })]) {
      await refused(`${forged}.${createHmac('sha256', secret).update(forged).digest('base64url')}`);
    }
    // A key that the token itself brings along.
    const own = await generateKeyPair('ES256', { extractable: true });
    const embedded = { alg: 'ES256', kid, jwk: await exportJWK(own.publicKey), jku: 'http://127.0.0.1:1/' };
    await refused(await new SignJWT(claims()).setProtectedHeader(embedded).sign(own.privateKey));
  });

  it('takes the place of the built-in issuer', async () => {
    for (const url of [`${api.url}/oauth/token`, `${api.url}/oauth/token/`]) {
      const answer = await call(url, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'demo', client_secret: 'demo-secret' }),
      });
      expect(answer.status).toBe(400);
      expect(answer.json).toEqual({ error: 'unsupported_grant_type', error_description: `Tokens are issued by ${issuer.url}` });
    }
    expect((await call(`${api.url}/.well-known/jwks.json`)).json).toEqual({ keys: [] });
    expect((await call(`${api.url}/.well-known/oauth-authorization-server`)).json).toMatchObject({ status: 'not_found' });
    const builtIn = await ApiFixture.startService(api.database.url);
    const token = await call(`${builtIn.url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'demo', client_secret: 'demo-secret' }),
    });
    await refused((token.json as { access_token: string }).access_token);
    // And the other way round; the application that the issuer brought along has no secret there.
    expect((await get(await issuer.token('crm', AUDIENCE), '/user', builtIn.url)).status).toBe(401);
    const guess = await call(`${builtIn.url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'oidc:12:crm', client_secret: '' }),
    });
    expect(guess.json).toMatchObject({ error: 'invalid_client' });
    await builtIn.stop();
  });

  it('refuses an application that was revoked here, on both services', async () => {
    const token = await issuer.sign(claims({ client_id: 'gone', rollcall_access: 'platform' }));
    expect((await get(token)).status).toBe(200);
    const pbx = await issuer.token('pbx', AUDIENCE);
    expect((await send(pbx, `${api.url}/api/ver1.0/application/oidc:12:gone`, undefined, 'DELETE')).status).toBe(204);
    await eventually('the revocation', async () => (await get(token)).status === 401);
    await eventually('it on presence', async () => (await send(token, `${presence.url}/telemetry`, [])).status === 401);
  });

  it('follows the issuer to new keys, and refuses those that it dropped, with tokens that were good before', async () => {
    const old = await issuer.token('pbx', AUDIENCE);
    expect((await get(old)).status).toBe(200);
    const former = issuer.key.kid;
    for (const alg of ['ES256', 'PS256'] as const) {
      await issuer.down();
      await issuer.addKey(alg);
      await issuer.up();
      const token = await issuer.token('pbx', AUDIENCE);
      expect(decodeProtectedHeader(token).alg).toBe(alg);
      await eventually('the new key', async () => (await get(token)).status === 200);
      await eventually(
        'it on presence',
        async () => (await send(token, `${presence.url}/telemetry`, [LOGIN_ITEM])).status === 200,
      );
      expect((await get(old)).status).toBe(200);
    }
    await issuer.down();
    issuer.removeKey(former);
    await issuer.up();
    await eventually('the old key is dropped', async () => (await get(old)).status === 401);
    await eventually(
      'it is on presence',
      async () => (await send(old, `${presence.url}/telemetry`, [LOGIN_ITEM])).status === 401,
    );
    expect((await get(await issuer.token('pbx', AUDIENCE))).status).toBe(200);
  });

  it('goes on with the keys that it has while the issuer is away, and says what it cannot tell', async () => {
    const known = await issuer.token('pbx', AUDIENCE);
    expect((await get(known)).status).toBe(200);
    const unseen = await issuer.sign(claims());
    const unseenKey = await issuer.sign(claims(), { kid: 'unseen' });
    await issuer.down();
    for (const token of [known, unseen]) expect((await get(token)).status).toBe(200);
    const answer = await eventually('no answer to the new key', async () => {
      const one = await get(unseenKey);
      return one.status === 503 && one;
    });
    expect(answer.json).toEqual({ message: 'The issuer of tokens cannot be reached', status: 'unavailable' });
    expect(answer.headers.get('retry-after')).toBe('2');
    expect((await call(`${api.url}/health/ready`)).status).toBe(200);
    await refused('x.y.z'); // nobody has to be asked for that
    await issuer.up();
    await eventually('the issuer is asked again', async () => (await get(unseenKey)).status === 401);
  });

  it('starts without the issuer, and works when it comes', async () => {
    const token = await issuer.token('crm', AUDIENCE);
    await issuer.down();
    const late = await ApiFixture.startService(api.database.url, { OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: AUDIENCE });
    const latePresence = await startTestPresence(api.database.url, { OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: AUDIENCE });
    for (const { url } of [late, latePresence]) {
      const ready = await call(`${url}/health/ready`);
      expect([ready.status, ready.text]).toEqual([
        503,
        expect.stringContaining('"oidc":"The issuer of tokens cannot be reached"'),
      ]);
      expect((await call(`${url}/health/live`)).status).toBe(200);
    }
    expect((await get(token, '/user', late.url)).status).toBe(503);
    await issuer.up();
    await eventually('tokens are good', async () => (await get(token, '/user', late.url)).status === 200);
    await eventually('presence is ready', async () => (await call(`${latePresence.url}/health/ready`)).status === 200);
    await latePresence.stop();
    await late.stop();
  });

  it('is not asked for its keys by everybody who makes up a key id', async () => {
    const calm = await ApiFixture.startService(api.database.url, { OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: AUDIENCE });
    expect((await get(await issuer.token('crm', AUDIENCE), '/user', calm.url)).status).toBe(200);
    const before = issuer.keyRequests;
    const madeUp = await Promise.all(Array.from({ length: 20 }, (_, n) => issuer.sign(claims(), { kid: `made-up-${n}` })));
    for (const token of madeUp) expect((await get(token, '/user', calm.url)).status).toBe(401);
    // The other services of this suite read again now and then; twenty times none of them did.
    expect(issuer.keyRequests - before).toBeLessThan(madeUp.length);
    await calm.stop();
  });
});
