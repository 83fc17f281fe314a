import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../../../../test/support/client.js';
import { ApiFixture, type ApplicationName } from '../../../../test/support/subscription-api.js';

const EVENT = { url: 'https://example.com/', event_type: 'agent-login', method: 'GET' };

/** Every route below a client, and the access levels that may call it. */
const ROUTES: readonly (readonly [method: string, path: string, body: unknown, access: 'any' | 'all'])[] = [
  ['GET', '/limit/', undefined, 'any'],
  ['GET', '/agent/local/', undefined, 'any'],
  ['GET', '/agent/local/136', undefined, 'any'],
  ['PUT', '/agent/local/136', { extension_name: '000*094@ringme.ru' }, 'all'],
  ['DELETE', '/agent/local/200', undefined, 'all'],
  ['GET', '/agent/local/136/explain', undefined, 'any'],
  ['GET', '/agent/local/136/event/', undefined, 'any'],
  ['POST', '/agent/local/136/event/', EVENT, 'any'],
  ['DELETE', '/agent/local/136/event/', undefined, 'any'],
  ['GET', '/agent/local/136/event/{event}', undefined, 'any'],
  ['PUT', '/agent/local/136/event/{event}', {}, 'any'],
  ['GET', '/agent/local/136/event/{event}/health', undefined, 'any'],
  ['POST', '/agent/local/136/event/{event}/resume', undefined, 'any'],
  ['POST', '/agent/local/136/event/{event}/replay', { since: '2026-01-01T00:00:00Z' }, 'any'],
  ['GET', '/agent/local/136/event/{event}/delivery/', undefined, 'any'],
  ['GET', '/agent_events/', undefined, 'any'],
  ['POST', '/agent_events/', EVENT, 'any'],
  ['GET', '/agent_status/', undefined, 'any'],
  ['GET', '/agent_status/history', undefined, 'any'],
  ['GET', '/webhook_secret/', undefined, 'all'],
  ['POST', '/webhook_secret/', undefined, 'all'],
];

describe('one client and another', () => {
  let api: ApiFixture;
  const events = new Map<number, number>();

  beforeAll(async () => {
    api = await ApiFixture.start();
    for (const clientId of [12, 13]) {
      await api.addAgent(136, 'local', clientId);
      const answer = await api.api('platform', 'POST', `/client/${clientId}/agent/local/136/event/`, EVENT);
      events.set(clientId, (answer.json as { id: number }).id);
    }
  });

  afterAll(() => api.stop());

  const send = async (app: ApplicationName, method: string, client: string | number, path: string, body: unknown) => {
    const event = events.get(client === '@me' ? 12 : Number(client)) ?? 1;
    const answer = await api.api(app, method, `/client/${client}${path.replace('{event}', String(event))}`, body);
    return { status: answer.status, code: (answer.json as { status?: string } | undefined)?.status, text: answer.text };
  };

  it.each(ROUTES)('%s %s', async (method, path, body, access) => {
    const success = (status: number) => [200, 201, 204].includes(status);
    for (const [app, allowed] of [
      ['reader', access === 'any'],
      ['demo', true],
      ['platform', true],
    ] as const) {
      // Removed by the application before.
      await api.pool.query(`select presence.put_agent(c, 'local', 200, 'x') from unnest(array[12, 13]) c`);
      for (const client of ['@me', 12]) {
        const answer = await send(app, method, client, path, body);
        if (method === 'DELETE' && path.endsWith('/200'))
          await api.pool.query(`select presence.put_agent(12, 'local', 200, 'x')`);
        if (allowed) expect([app, client, success(answer.status), answer.text]).toEqual([app, client, true, answer.text]);
        else expect([answer.status, answer.code]).toEqual([403, 'app_access_type_deny']);
      }
      const foreign = [await send(app, method, 13, path, body), await send(app, method, 999, path, body)];
      if (app === 'platform') {
        expect(success(foreign[0]!.status)).toBe(true);
        expect([foreign[1]!.status, foreign[1]!.code]).toEqual([404, 'client_not_found']);
      } else {
        // The same to the byte, whether that client exists or not.
        expect([foreign[0]!.status, foreign[0]!.code]).toEqual([403, allowed ? 'access_denied' : 'app_access_type_deny']);
        expect(foreign[1]).toEqual(foreign[0]);
      }
      await ensureEvents();
    }
    const anonymous = await call(`${api.url}/api/ver1.0/client/@me${path}`, { method });
    expect([anonymous.status, anonymous.text]).toEqual([401, '{"message":"Unauthorized","status":"unauthorized"}']);
  });

  /** The removal of all events takes the fixture's with it. */
  async function ensureEvents(): Promise<void> {
    for (const clientId of [12, 13]) {
      const found = await api.api('platform', 'GET', `/client/${clientId}/agent/local/136/event/${events.get(clientId)}`);
      if (found.status === 200) continue;
      const answer = await api.api('platform', 'POST', `/client/${clientId}/agent/local/136/event/`, EVENT);
      events.set(clientId, (answer.json as { id: number }).id);
    }
  }

  it('keeps events of another client out of sight under one’s own', async () => {
    for (const suffix of ['', '/health', '/delivery/']) {
      const answer = await api.api('other', 'GET', `/client/@me/agent/local/136/event/${events.get(12)}${suffix}`);
      expect([answer.status, answer.json]).toEqual([404, expect.objectContaining({ status: 'event_not_found' })]);
    }
  });

  it('is decided before the body is read', async () => {
    const answer = await api.api('demo', 'POST', '/client/13/agent/local/136/event/', '{');
    expect([answer.status, answer.json]).toEqual([403, expect.objectContaining({ status: 'access_denied' })]);
  });

  it('knows a client from its telemetry too', async () => {
    await api.addAgent(1, 'local', 77);
    expect((await api.api('platform', 'GET', '/client/77/agent/local/')).json).toMatchObject([{ id: 1 }]);
  });
});
