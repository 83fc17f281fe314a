import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

describe('the agents of both types', () => {
  let api: ApiFixture;

  beforeAll(async () => {
    api = await ApiFixture.start();
    const agents: [number, string, string, string][] = [
      [136, 'local', '000*094@ringme.ru', 'available'],
      [137, 'local', 'Zoë 50%', 'logged_out'],
      [138, 'local', '136 times', 'available'],
      [201, 'remote', '+74951234567', 'logged_out'],
      [202, 'remote', '+7499_1', 'available'],
    ];
    for (const [id, type, name, status] of agents) {
      await api.pool.query('select presence.put_agent(12, $1, $2, $3)', [type, id, name]);
      await api.pool.query('update presence.agent set agent_status = $2 where client_id = 12 and agent_id = $1', [id, status]);
    }
    await api.addAgent(139);
    await api.pool.query('update presence.agent set deleted_at = now() where agent_id = 139');
    await api.addAgent(136, 'local', 13);
  });

  afterAll(() => api.stop());

  const search = async (query: string) =>
    ((await api.api('reader', 'GET', `/client/@me/agent/${query}`)).json as { id: number }[]).map(({ id }) => id);

  it.each([
    ['', [136, 137, 138, 201, 202]],
    ['?q=', [136, 137, 138, 201, 202]],
    ['?q=RINGME', [136]],
    ['?q=136', [136, 138]],
    ['?q=%2b7495', [201]],
    ['?q=50%25', [137]],
    ['?q=9_1', [202]],
    ['?q=%25', [137]],
    ['?q=zO%C3%8B', [137]],
    ['?q=20', [201, 202]],
    ['?q=nobody', []],
    ['?status=available', [136, 138, 202]],
    ['?agent_type=remote', [201, 202]],
    ['?agent_type=remote&status=available&q=7499', [202]],
    ['?per_page=2&page=2', [138, 201]],
  ])('are found by %s', async (query, ids) => {
    expect(await search(query)).toEqual(ids);
  });

  it('are shown as the directory shows them', async () => {
    const found = await api.api('reader', 'GET', '/client/@me/agent?q=136%20times');
    expect(found.json).toEqual([(await api.api('reader', 'GET', '/client/@me/agent/local/138')).json]);
  });

  it.each([
    ['?status=busy', 'status'],
    ['?agent_type=x', 'agent_type'],
    ['?name=x', 'name'],
    ['?q=a&q=b', 'q'],
    ['?q=%00', 'q'],
    ['?page=0', 'page'],
  ])('are not searched by %s', async (query, field) => {
    const answer = await api.api('reader', 'GET', `/client/@me/agent/${query}`);
    expect([answer.status, Object.keys((answer.json as { errors: object }).errors)]).toEqual([400, [field]]);
  });

  it('are counted, as of a cursor', async () => {
    const answer = await api.api('reader', 'GET', '/client/@me/agent_status/summary');
    const { cursor, ...counts } = answer.json as { cursor: number };
    expect(counts).toEqual({
      available: 3,
      logged_out: 2,
      by_type: { local: { available: 2, logged_out: 1 }, remote: { available: 1, logged_out: 1 } },
    });
    const snapshot = await api.api('reader', 'GET', '/client/@me/agent_status/');
    expect(cursor).toBe(Number(snapshot.headers.get('x-event-cursor')));
    expect((await api.api('reader', 'GET', '/client/@me/agent_status/summary?x=1')).status).toBe(400);
    const none = await api.api('platform', 'GET', '/client/13/agent_status/summary/');
    expect(none.json).toMatchObject({ available: 0, logged_out: 1, by_type: { remote: { available: 0, logged_out: 0 } } });
    expect((await api.api('other', 'GET', '/client/12/agent_status/summary')).status).toBe(403);
  });
});
