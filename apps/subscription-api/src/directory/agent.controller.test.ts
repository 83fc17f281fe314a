import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

const EVENT = { url: 'https://example.com/', event_type: 'agent-logout', method: 'POST' };

describe('the directory', () => {
  let api: ApiFixture;

  beforeAll(async () => {
    api = await ApiFixture.start();
  });

  afterAll(() => api.stop());

  const put = (path: string, body: unknown) => api.api('demo', 'PUT', `/client/@me/agent/${path}`, body);
  const used = async () =>
    ((await api.api('demo', 'GET', '/client/@me/limit/')).json as { agent_event_used: number }).agent_event_used;

  it('creates, renames and lists agents by type', async () => {
    const created = await put('local/1/', { extension_name: '000*094@ringme.ru', other: 1 });
    expect(created.status).toBe(200);
    expect(created.text).toMatch(
      /^\{"id":1,"agent_type":"local","extension_name":"000\*094@ringme.ru","agent_status":"logged_out","status_since":"[^"]+","sequence":0\}$/,
    );
    expect((await put('local/1', { extension_name: 'Zoë' })).json).toMatchObject({ extension_name: 'Zoë' });
    expect((await put('local/1', { extension_name: 'Zoë' })).status).toBe(200);
    expect((await put('remote/2', { agent_number: '+74951234567' })).json).toMatchObject({
      agent_type: 'remote',
      agent_number: '+74951234567',
    });
    await put('local/3', { extension_name: 'x' });
    const list = async (path: string) => ((await api.api('reader', 'GET', path)).json as { id: number }[]).map(({ id }) => id);
    expect(await list('/client/@me/agent/local/')).toEqual([1, 3]);
    expect(await list('/client/@me/agent/local?per_page=1&page=2')).toEqual([3]);
    expect(await list('/client/12/agent/remote')).toEqual([2]);
    expect((await api.api('reader', 'GET', '/client/@me/agent/remote/2/')).json).toMatchObject({ id: 2 });
  });

  it('keeps the types apart', async () => {
    expect((await put('remote/1', { agent_number: '1' })).json).toMatchObject({ status: 'agent_not_found' });
    expect((await api.api('demo', 'GET', '/client/@me/agent/remote/1')).json).toMatchObject({ status: 'agent_not_found' });
    expect((await api.api('demo', 'DELETE', '/client/@me/agent/remote/1')).json).toMatchObject({ status: 'agent_not_found' });
    expect((await api.api('demo', 'GET', '/client/@me/agent/other/')).json).toMatchObject({ status: 'not_found' });
  });

  it.each([
    ['local/1', {}, 'extension_name', 'is required'],
    ['local/1', { agent_number: '1' }, 'extension_name', 'is required'],
    ['local/1', { extension_name: null }, 'extension_name', 'must be a string'],
    ['local/1', { extension_name: '' }, 'extension_name', 'must not be empty'],
    ['local/1', { extension_name: 'a\u0000b' }, 'extension_name', 'must not contain control characters'],
    ['local/1', { extension_name: '\ud800' }, 'extension_name', 'must not contain control characters'],
    ['remote/2', { agent_number: 'x'.repeat(256) }, 'agent_number', 'must have at most 255 characters'],
    ['remote/2', { agent_number: 7 }, 'agent_number', 'must be a string'],
  ])('refuses %s %j', async (path, body, field, why) => {
    const answer = await put(path, body);
    expect([answer.status, answer.json]).toEqual([
      400,
      expect.objectContaining({ status: 'validation_error', errors: { [field]: [why] } }),
    ]);
  });

  it('removes an available agent with a last change, and its agent events after it', async () => {
    await put('local/10', { extension_name: 'x' });
    const event = (await api.api('demo', 'POST', '/client/@me/agent/local/10/event/', EVENT)).json as { id: number };
    await api.pool.query(
      `update presence.agent set agent_status = 'available', sequence = 5, changed_at = now() where agent_id = 10`,
    );
    const before = await used();
    expect((await api.api('demo', 'DELETE', '/client/@me/agent/local/10')).status).toBe(204);
    expect(await used()).toBe(before - 1);
    expect((await api.api('demo', 'DELETE', '/client/@me/agent/local/10')).status).toBe(404);
    expect((await api.api('demo', 'GET', `/client/@me/agent/local/10/event/${event.id}`)).json).toMatchObject({
      status: 'agent_not_found',
    });
    expect((await api.api('demo', 'POST', '/client/@me/agent/local/10/event/', EVENT)).json).toMatchObject({
      status: 'agent_not_found',
    });
    const history = await api.api('demo', 'GET', '/client/@me/agent_status/history?agent_id=10');
    expect(history.json).toMatchObject([{ agent_status: 'logged_out', event_source: 'api', sequence: 6 }]);
    const { rows } = await api.pool.query('select until_sequence::int from subscription.agent_event where id = $1', [event.id]);
    expect(rows).toEqual([{ until_sequence: 6 }]);

    // Back under the same id, it starts without them.
    await put('local/10', { extension_name: 'y' });
    expect((await api.api('demo', 'GET', '/client/@me/agent/local/10/event/')).json).toEqual([]);
    expect((await api.api('demo', 'GET', '/client/@me/agent/local/10')).json).toMatchObject({
      sequence: 6,
      agent_status: 'logged_out',
    });
  });

  it('never keeps an agent event of an agent that is removed meanwhile', async () => {
    for (let round = 0; round < 5; round++) {
      const path = `/client/@me/agent/local/${20 + round}`;
      await api.api('demo', 'PUT', path, { extension_name: 'x' });
      const before = await used();
      const [removed, ...added] = await Promise.all([
        api.api('demo', 'DELETE', path),
        ...Array.from({ length: 5 }, () => api.api('demo', 'POST', `${path}/event/`, EVENT)),
      ]);
      expect(removed.status).toBe(204);
      for (const { status } of added) expect([201, 404]).toContain(status);
      expect(await used()).toBe(before);
    }
  });
});
