import { afterEach, expect, it } from 'vitest';
import { call } from '../../../../test/support/client.js';
import { OpenIdIssuer } from '../../../../test/support/openid-issuer.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

let api: ApiFixture | undefined;

afterEach(() => api?.stop());

it('tells anybody who signs people in, and nothing of applications', async () => {
  api = await ApiFixture.start();
  const answer = await call(`${api.url}/console/config.json`);
  expect([answer.status, answer.json]).toEqual([
    200,
    { version: expect.stringMatching(/^\d/) as string, issuer: null, demo: [], playground: false },
  ]);
});

it('tells of the demo where there is one', async () => {
  const demo = { app_id: 'demo', secret: 'demo-secret', client_id: 12, access: 'all' as const };
  api = await ApiFixture.start({}, { demo: { applications: [demo] } });
  const answer = await call(`${api.url}/console/config.json`);
  expect(answer.json).toMatchObject({ demo: [{ app_id: 'demo', secret: 'demo-secret', access: 'all' }] });
});

it('tells where an external issuer signs people in, and lets the page fetch from there alone', async () => {
  const issuer = await OpenIdIssuer.start([]);
  try {
    const settings = { OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: 'rollcall' };
    api = await ApiFixture.start(settings);
    const without = await call(`${api.url}/console/config.json`);
    expect(without.json).toMatchObject({
      issuer: { issuer: issuer.url, audience: 'rollcall', client_id: null, authorization_endpoint: null, token_endpoint: null },
    });
    const withClient = await ApiFixture.startService(api.database.url, { ...settings, OIDC_CONSOLE_CLIENT_ID: 'console' });
    try {
      const { json } = await call(`${withClient.url}/console/config.json`);
      const { issuer: told } = json as { issuer: Record<'client_id' | 'authorization_endpoint' | 'token_endpoint', string> };
      expect(told.client_id).toBe('console');
      expect([new URL(told.authorization_endpoint).origin, new URL(told.token_endpoint).origin]).toEqual([
        issuer.url,
        issuer.url,
      ]);
      const page = await call(`${withClient.url}/console/`);
      expect(page.headers.get('content-security-policy')).toContain(`connect-src 'self' ${issuer.url};`);
    } finally {
      await withClient.stop();
    }
  } finally {
    await issuer.down();
  }
});
