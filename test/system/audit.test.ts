import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditRepository } from '#applications';
import { createDataSource } from '#database';
import { runCli } from '../../apps/cli/src/run.js';
import { ApiFixture } from '../support/subscription-api.js';

interface Entry {
  readonly id: number;
  readonly at: string;
  readonly by: string;
  readonly action: string;
  readonly subject: string;
  readonly detail: object;
}

const EVENT = { url: 'http://127.0.0.1:1/x?key=1', event_type: 'agent-login', method: 'GET' };

describe('who changed what', () => {
  let api: ApiFixture;
  let last = 0;

  beforeAll(async () => {
    api = await ApiFixture.start();
    await api.addAgent(1);
    await news();
  });
  afterAll(() => api.stop());

  /** What has come to the log since the last look, the oldest first. */
  async function news(): Promise<Omit<Entry, 'id' | 'at'>[]> {
    const { json } = await api.api('platform', 'GET', '/client/@me/audit/');
    const found = (json as Entry[]).filter(({ id }) => id > last).reverse();
    last = Math.max(last, ...found.map(({ id }) => id));
    return found.map(({ by, action, subject, detail }) => ({ by, action, subject, detail }));
  }

  it('is told of agent events of an agent and of all agents', async () => {
    for (const [path, of] of [
      ['/client/@me/agent/local/1/event/', { agent_id: 1, agent_type: 'local' }],
      ['/client/@me/agent_events/', { agent_id: null, agent_type: null }],
    ] as const) {
      const { id } = (await api.api('reader', 'POST', path, EVENT)).json as { id: number };
      const detail = { ...EVENT, url: 'http://127.0.0.1:1/x', ...of };
      await api.api('demo', 'PUT', `${path}${id}`, { method: 'POST', url: EVENT.url });
      await api.api('demo', 'PUT', `${path}${id}`, {});
      await api.api('platform', 'DELETE', `${path}${id}`);
      expect(await news()).toEqual([
        { by: 'reader', action: 'agent_event.added', subject: String(id), detail },
        { by: 'demo', action: 'agent_event.changed', subject: String(id), detail: { method: { from: 'GET', to: 'POST' } } },
        { by: 'platform', action: 'agent_event.removed', subject: String(id), detail: { ...detail, method: 'POST' } },
      ]);
    }
    expect(await news()).toEqual([]);
  });

  it('has of urls no query, which may be a secret', async () => {
    const path = '/client/@me/agent_events/';
    const { id } = (await api.api('demo', 'POST', path, { ...EVENT, url: 'http://127.0.0.1:1/?hidden=1' })).json as {
      id: number;
    };
    await api.api('demo', 'PUT', `${path}${id}`, { url: 'http://127.0.0.1:1/?hidden=2' });
    await api.api('demo', 'PUT', `${path}${id}`, { url: 'http://127.0.0.1:1/new?hidden=2#hidden' });
    await api.api('demo', 'DELETE', `${path}${id}`);
    const found = await news();
    const [old, next] = ['http://127.0.0.1:1/', 'http://127.0.0.1:1/new'];
    expect(found.map(({ detail }) => detail)).toMatchObject([
      { url: old },
      { url: { from: old, to: old } },
      { url: { from: old, to: next } },
      { url: next },
    ]);
    expect(JSON.stringify(found)).not.toContain('hidden');
  });

  it('is told of agent events that go with others', async () => {
    const add = async () =>
      String(((await api.api('demo', 'POST', '/client/@me/agent/local/1/event/', EVENT)).json as { id: number }).id);
    const [one, other] = [await add(), await add()];
    await api.api('demo', 'DELETE', '/client/@me/agent/local/1/event/');
    const withAgent = await add();
    await api.api('platform', 'DELETE', '/client/@me/agent/local/1');
    expect((await news()).filter(({ action }) => action.endsWith('removed'))).toMatchObject([
      { by: 'demo', subject: one },
      { by: 'demo', subject: other },
      { by: 'platform', subject: withAgent },
    ]);
  });

  it('is told of secrets and applications, and never what they are', async () => {
    const { id, secret } = (await api.api('demo', 'POST', '/client/@me/webhook_secret/')).json as { id: number; secret: string };
    const made = await api.api('platform', 'POST', '/application/', { app_id: 'crm', client_id: 12, access: 'call_api' });
    await api.api('platform', 'POST', '/application/crm/secret', { keep_previous_for: 60 });
    const terminal = { env: { DATABASE_URL: api.database.url }, write: () => undefined, writeError: () => undefined };
    expect(await runCli(['applications', 'revoke', 'crm'], terminal)).toBe(0);
    const found = await news();
    expect(found).toEqual([
      { by: 'demo', action: 'webhook_secret.rotated', subject: String(id), detail: {} },
      { by: 'platform', action: 'application.registered', subject: 'crm', detail: { access: 'call_api' } },
      { by: 'platform', action: 'application.secret_rotated', subject: 'crm', detail: { keep_previous_for: 60 } },
      { by: 'command line', action: 'application.revoked', subject: 'crm', detail: {} },
    ]);
    for (const one of [secret, (made.json as { secret: string }).secret]) expect(JSON.stringify(found)).not.toContain(one);
  });

  it('is listed newest first, page by page, to those of access all, of their own client', async () => {
    const first = await api.api('demo', 'GET', '/client/@me/audit?per_page=2');
    const [newest, second] = first.json as [Entry, Entry];
    expect(newest.id).toBeGreaterThan(second.id);
    expect(newest.at).toMatch(/Z$/);
    const next = first.headers.get('x-next-cursor');
    expect(next).toBe(String(second.id));
    const rest = await api.api('demo', 'GET', `/client/@me/audit/?per_page=1000&before=${next}`);
    expect((rest.json as Entry[])[0]!.id).toBeLessThan(second.id);
    expect(rest.headers.get('x-next-cursor')).toBeNull();
    expect((await api.api('reader', 'GET', '/client/@me/audit/')).json).toMatchObject({ status: 'app_access_type_deny' });
    expect((await api.api('other', 'GET', '/client/@me/audit/')).json).toMatchObject([
      { by: 'BOOTSTRAP_APPS', action: 'application.registered', subject: 'other' },
    ]);
    expect((await api.api('demo', 'GET', '/client/@me/audit/?before=x')).status).toBe(400);
  });

  it('is forgotten after a while', async () => {
    const dataSource = await createDataSource({ url: api.database.url, applicationName: 'test', poolSize: 1 }).initialize();
    try {
      const audit = new AuditRepository(dataSource);
      await api.pool.query(`update access.audit set at = at - interval '2 days' where client_id = 13`);
      expect(await audit.forget(3 * 86_400_000, 10)).toBe(0);
      expect(await audit.forget(86_400_000, 10)).toBe(1);
      expect(await audit.list(13, undefined, 10)).toEqual([]);
      expect(await audit.list(12, undefined, 1)).toHaveLength(1);
    } finally {
      await dataSource.destroy();
    }
  });
});
