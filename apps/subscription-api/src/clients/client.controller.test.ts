import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

describe('the clients', () => {
  let api: ApiFixture;

  beforeAll(async () => {
    api = await ApiFixture.start();
    await api.addAgent(1);
    await api.addAgent(2);
    await api.addAgent(1, 'local', 120);
    await api.pool.query('update presence.agent set deleted_at = now() where client_id = 12 and agent_id = 2');
    await api.api('demo', 'POST', '/client/@me/agent_events/', {
      url: 'http://127.0.0.1:9/',
      event_type: 'agent-login',
      method: 'GET',
    });
  });

  afterAll(() => api.stop());

  it('are listed and searched by an application that acts for all of them', async () => {
    const list = async (query: string) => (await api.api('platform', 'GET', `/client/${query}`)).json;
    const all = [
      { client_id: 12, agents: 1, agent_events: 1 },
      { client_id: 13, agents: 0, agent_events: 0 },
      { client_id: 120, agents: 1, agent_events: 0 },
    ];
    expect(await list('')).toEqual(all);
    expect(await list('?q=12')).toEqual([all[0], all[2]]);
    expect(await list('?q=7')).toEqual([]);
    expect(await list('?q=x')).toEqual([]);
    expect(await list('?per_page=1&page=2')).toEqual([all[1]]);
    expect((await api.api('platform', 'GET', '/client?name=x')).json).toMatchObject({ errors: { name: ['is not known here'] } });
  });

  it.each(['demo', 'reader', 'other'] as const)('are not told to %s', async (app) => {
    const answer = await api.api(app, 'GET', '/client/');
    expect([answer.status, answer.json]).toEqual([403, expect.objectContaining({ status: 'app_access_type_deny' })]);
  });
});
