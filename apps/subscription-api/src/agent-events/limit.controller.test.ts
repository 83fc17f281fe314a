import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer } from '../../../../test/support/client.js';
import { ApiFixture, type ApplicationName } from '../../../../test/support/subscription-api.js';

const EVENT = { url: 'https://example.com/', event_type: 'agent-login', method: 'GET' };
const EVENTS = '/client/13/agent/local/136/event/';

describe('the limit of a client', () => {
  let api: ApiFixture;

  beforeAll(async () => {
    api = await ApiFixture.start({ AGENT_EVENT_LIMIT: 3 });
    for (const clientId of [12, 13]) await api.addAgent(136, 'local', clientId);
  });

  afterAll(() => api.stop());

  const change = (agent_event: unknown, app: ApplicationName = 'platform', client = '13', slash = '/'): Promise<Answer> =>
    api.api(app, 'PUT', `/client/${client}/limit${slash}`, { agent_event });
  const add = () => api.api('other', 'POST', EVENTS, EVENT);
  const limit = async (client = '13') => (await api.api('platform', 'GET', `/client/${client}/limit/`)).json;

  it('is the setting’s, or its own', async () => {
    expect(await limit()).toEqual({ agent_event: 3, agent_event_used: 0 });
    for (const slash of ['', '/']) {
      const answer = await change(5000, 'platform', '13', slash);
      expect([answer.status, answer.text]).toEqual([200, '{"agent_event":5000,"agent_event_used":0}']);
    }
    expect((await api.api('other', 'GET', '/client/@me/limit/')).json).toEqual({ agent_event: 5000, agent_event_used: 0 });
    expect(await limit('12')).toEqual({ agent_event: 3, agent_event_used: 0 });
    expect((await change(2 ** 31 - 1, 'platform', '@me')).json).toEqual({ agent_event: 2147483647, agent_event_used: 0 });
    expect((await change(null)).json).toEqual({ agent_event: 3, agent_event_used: 0 });
  });

  it('is never exceeded, also while it changes; below what there is, it refuses new ones only', async () => {
    await change(5);
    const answers = await Promise.all(Array.from({ length: 12 }, add));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(5);
    for (const agentEvent of [2, 0]) {
      expect((await change(agentEvent)).json).toEqual({ agent_event: agentEvent, agent_event_used: 5 });
      const refused = await add();
      expect([refused.status, refused.json]).toEqual([403, expect.objectContaining({ status: 'event_limit_exceeded' })]);
    }
    expect((await api.api('other', 'GET', EVENTS)).json).toHaveLength(5);
    expect((await api.api('other', 'DELETE', EVENTS)).status).toBe(204);
    expect((await change(null)).json).toEqual({ agent_event: 3, agent_event_used: 0 });
    expect((await add()).status).toBe(201);
  });

  it.each([undefined, -1, 1.5, 2 ** 31, '5', true, {}])('is not %j', async (agent_event) => {
    const answer = await change(agent_event);
    const why = agent_event === undefined ? 'is required' : 'must be a whole number from 0 to 2147483647, or null';
    expect([answer.status, answer.json]).toEqual([
      400,
      expect.objectContaining({ status: 'validation_error', errors: { agent_event: [why] } }),
    ]);
  });

  it('is the platform’s to change', async () => {
    for (const app of ['reader', 'demo'] satisfies ApplicationName[]) {
      for (const client of ['@me', '13']) {
        const answer = await change(1, app, client);
        expect([answer.status, answer.json]).toEqual([403, expect.objectContaining({ status: 'app_access_type_deny' })]);
      }
    }
    const unknown = await change(1, 'platform', '999');
    expect([unknown.status, unknown.json]).toEqual([404, expect.objectContaining({ status: 'client_not_found' })]);
  });
});
