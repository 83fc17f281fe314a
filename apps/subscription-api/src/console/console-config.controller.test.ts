import { afterEach, expect, it } from 'vitest';
import { call } from '../../../../test/support/client.js';
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
