import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../../test/support/poll.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

const EVENT = { url: 'https://example.com/hook?a=1', event_type: 'agent-login', method: 'GET' };

describe('agent events', () => {
  let api: ApiFixture;
  let nextAgent = 1000;

  beforeAll(async () => {
    api = await ApiFixture.start();
    await api.addAgent(136);
    await api.addAgent(137, 'remote');
  });

  afterAll(() => api.stop());

  /** An agent of the test's own; the path of its events. */
  async function freshAgent(): Promise<string> {
    const id = nextAgent++;
    await api.addAgent(id);
    return `/client/@me/agent/local/${id}/event`;
  }

  const add = async (path: string, event: object = EVENT): Promise<number> => {
    const answer = await api.api('demo', 'POST', `${path}/`, event);
    expect(answer.status).toBe(201);
    return (answer.json as { id: number }).id;
  };

  it('are added, read, changed and removed, in both slash forms', async () => {
    const path = await freshAgent();
    for (const slash of ['', '/']) {
      const added = await api.api('demo', 'POST', `${path}${slash}`, {
        ...EVENT,
        method: 'get',
        event_type: 'AGENT-Login',
        unknown: 1,
      });
      const { id } = added.json as { id: number };
      const text = `{"url":"https://example.com/hook?a=1","id":${id},"method":"GET","event_type":"agent-login"}`;
      expect([added.status, added.text]).toEqual([201, text]);
      expect((await api.api('demo', 'GET', `${path}${slash}`)).text).toBe(`[${text}]`);
      expect((await api.api('reader', 'GET', `${path}/${id}${slash}`)).text).toBe(text);
      const same = await api.api('demo', 'PUT', `${path}/${id}${slash}`, {});
      expect([same.status, same.text]).toEqual([200, text]);
      const changed = await api.api('demo', 'PUT', `${path}/${id}${slash}`, { id: 1, event_type: 'agent-logout' });
      expect(changed.text).toBe(text.replace('agent-login', 'agent-logout'));
      const moved = await api.api('demo', 'PUT', `${path}/${id}`, { method: 'POST' });
      expect(moved.json).toMatchObject({ method: 'POST', event_type: 'agent-logout' });
      const removed = await api.api('demo', 'DELETE', `${path}/${id}${slash}`);
      expect([removed.status, removed.text]).toEqual([204, '']);
      expect((await api.api('demo', 'DELETE', `${path}/${id}${slash}`)).json).toMatchObject({ status: 'event_not_found' });
      expect((await api.api('demo', 'GET', `${path}/${id}`)).status).toBe(404);
      expect((await api.api('demo', 'PUT', `${path}/${id}`, {})).status).toBe(404);
      expect((await api.api('demo', 'GET', `${path}${slash}`)).text).toBe('[]');
    }
  });

  it('are two when added twice, and listed by pages in the order of their ids', async () => {
    const path = await freshAgent();
    const ids = [await add(path), await add(path), await add(path)];
    const list = async (query: string) =>
      ((await api.api('demo', 'GET', `${path}/?${query}`)).json as { id: number }[]).map(({ id }) => id);
    expect(await list('')).toEqual(ids);
    expect(await list('per_page=2')).toEqual(ids.slice(0, 2));
    expect(await list('per_page=2&page=2')).toEqual(ids.slice(2));
    expect(await list('page=9')).toEqual([]);
  });

  it.each(['page=0', 'page=x', 'per_page=0', 'per_page=1001', 'per_page=1&per_page=2', 'page=-1', 'page='])(
    'refuse %s',
    async (query) => {
      const answer = await api.api('demo', 'GET', `/client/@me/agent/local/136/event/?${query}`);
      expect([answer.status, answer.json]).toEqual([400, expect.objectContaining({ status: 'validation_error' })]);
    },
  );

  it.each([
    ['url', undefined],
    ['url', null],
    ['url', 1],
    ['url', ''],
    ['url', 'example.com/x'],
    ['url', '/x'],
    ['url', 'ftp://example.com/x'],
    ['url', 'javascript:alert(1)'],
    ['url', 'http://user:pass@example.com/'],
    ['url', ' https://example.com/'],
    ['url', 'https://example.com/\u0000'],
    ['url', 'https://example.com/a b'],
    ['url', `https://example.com/${'x'.repeat(2048)}`],
    ['url', 'https://10.0.0.1/'],
    ['url', 'https://169.254.169.254/latest/meta-data'],
    ['url', 'https://[::1]/'],
    ['url', 'https://[::ffff:10.0.0.1]/'],
    ['url', 'https://167772161/'],
    ['url', 'https://012.0.0.1/'],
    ['method', undefined],
    ['method', 'PUT'],
    ['method', ['GET']],
    ['event_type', null],
    ['event_type', 'agent-paused'],
    ['event_type', ''],
  ])('refuse %s %j', async (field, value) => {
    for (const [method, path] of [
      ['POST', '/client/@me/agent/local/136/event/'],
      ['PUT', await existing()],
    ] as const) {
      if (method === 'PUT' && value === undefined) continue;
      const answer = await api.api('demo', method, path, { ...EVENT, [field]: value });
      expect(answer.status).toBe(400);
      expect(answer.json).toMatchObject({ status: 'validation_error', errors: { [field]: [expect.any(String)] } });
    }
  });

  it.each(['ftp://example.com/x', 'http://user:pass@example.com/', 'https://10.0.0.1/', 'http://example.com:0/'])(
    'tell that %s is wrong together with what else is',
    async (url) => {
      const body = { url, method: 'PUT', event_type: null, agent_type: 'none' };
      for (const [method, path] of [
        ['POST', '/client/@me/agent/local/136/event/'],
        ['PUT', await existing()],
        ['POST', '/client/@me/agent_events/'],
      ] as const) {
        const { status, json } = await api.api('demo', method, path, body);
        const fields = ['url', 'event_type', 'method', ...(path.includes('agent_events') ? ['agent_type'] : [])];
        expect([status, Object.keys((json as { errors: object }).errors)]).toEqual([400, fields]);
      }
      const twice = await api.api('demo', 'POST', '/client/@me/agent_events/', { ...body, url: `https://10.0.0.1/ ` });
      expect((twice.json as { errors: { url: string[] } }).errors.url).toHaveLength(1);
    },
  );

  let existingPath: string | undefined;
  async function existing(): Promise<string> {
    existingPath ??= `/client/@me/agent/local/136/event/${await add('/client/@me/agent/local/136/event')}`;
    return existingPath;
  }

  it('keep the url as it was sent', async () => {
    const path = await freshAgent();
    for (const url of [
      'HTTPS://Example.com',
      'http://пример.рф/путь?q=%D1%8F&x',
      'https://example.com/?a=b&&c#frag',
      'http://127.0.0.1:9/x',
    ]) {
      const answer = await api.api('demo', 'POST', path, { ...EVENT, url });
      expect(answer.json).toMatchObject({ url });
    }
  });

  it('are found under their own agent and client alone', async () => {
    const id = await add('/client/@me/agent/local/136/event');
    const status = async (path: string, app: 'demo' | 'platform' = 'demo') => {
      const answer = await api.api(app, 'GET', path);
      return [answer.status, (answer.json as { status: string }).status];
    };
    await api.addAgent(138);
    expect(await status(`/client/@me/agent/local/138/event/${id}`)).toEqual([404, 'event_not_found']);
    expect(await status(`/client/@me/agent/remote/136/event/${id}`)).toEqual([404, 'agent_not_found']);
    expect(await status('/client/@me/agent/local/137/event/')).toEqual([404, 'agent_not_found']);
    expect(await status('/client/@me/agent/local/999/event/')).toEqual([404, 'agent_not_found']);
    expect(await status('/client/@me/agent/local/4294967296/event/')).toEqual([404, 'agent_not_found']);
    expect(await status('/client/@me/agent/local/-1/event/')).toEqual([404, 'agent_not_found']);
    expect(await status('/client/@me/agent/other/136/event/')).toEqual([404, 'agent_not_found']);
    expect(await status('/client/@me/agent/local/136/event/abc')).toEqual([404, 'event_not_found']);
    expect(await status('/client/@me/agent/local/136/event/4294967296')).toEqual([404, 'event_not_found']);
    expect(await status('/client/@me/agent/local/136/event/0136')).toEqual([404, 'event_not_found']);
    expect(await status('/client/4294967296/limit/', 'platform')).toEqual([404, 'client_not_found']);
    expect(await status('/client/x/limit/')).toEqual([404, 'not_found']);
  });

  it('remember the types that they had, and until when', async () => {
    const path = '/client/@me/agent_events';
    const { id } = (await api.api('demo', 'POST', path, EVENT)).json as { id: number };
    const put = (patch: object) => api.api('demo', 'PUT', `${path}/${id}`, patch);
    const types = async (): Promise<unknown[] | null> => {
      const { rows } = await api.pool.query<{ types: Record<string, string>[] | null }>(
        'select former_types as types from subscription.agent_event where id = $1',
        [id],
      );
      return (
        rows[0]!.types?.map(({ event_type, agent_type, until }) => [
          event_type,
          agent_type,
          Date.parse(until!) > Date.now() - 60_000,
        ]) ?? null
      );
    };
    await put({ url: 'https://example.org/other', event_type: EVENT.event_type });
    expect(await types()).toBeNull();
    await put({ event_type: 'agent-logout' });
    await put({ agent_type: 'remote' });
    expect(await types()).toEqual([
      ['agent-login', null, true],
      ['agent-logout', null, true],
    ]);
    const at = (moment: string) =>
      api.pool.query(
        `select subscription.event_type_at(event_type, former_types, ${moment}) as event, subscription.agent_type_at(agent_type, former_types, ${moment}) as agent
         from subscription.agent_event where id = $1`,
        [id],
      );
    expect((await at(`now() - interval '1 day'`)).rows).toEqual([{ event: 'agent-login', agent: null }]);
    expect((await at(`(former_types -> 1 ->> 'until')::timestamptz`)).rows).toEqual([{ event: 'agent-logout', agent: null }]);
    expect((await at('now()')).rows).toEqual([{ event: 'agent-logout', agent: 'remote' }]);
  });

  it('are not added to an agent that is removed while the addition waits', async () => {
    const path = await freshAgent();
    const agentId = nextAgent - 1;
    await add(path);
    const used = async () => (await api.api('demo', 'GET', '/client/@me/limit/')).text;
    const before = await used();
    const remover = await api.pool.connect();
    try {
      await remover.query('begin');
      await remover.query('select from subscription.client_usage where client_id = 12 for update');
      const adding = api.api('demo', 'POST', path, EVENT);
      await eventually('the addition waits', async () => {
        const { rowCount } = await remover.query(
          `select from pg_locks where not granted and locktype in ('transactionid', 'tuple')
           and pid in (select pid from pg_stat_activity where datname = current_database())`,
        );
        return rowCount !== 0;
      });
      await remover.query(`select presence.remove_agent(12, 'local', $1, gen_random_uuid())`, [agentId]);
      // As a removal does in the same transaction, whatever it takes off.
      await remover.query('update subscription.client_usage set agent_event_used = agent_event_used - 0 where client_id = 12');
      await remover.query('commit');
      const answer = await adding;
      expect([answer.status, answer.json]).toEqual([404, expect.objectContaining({ status: 'agent_not_found' })]);
      expect(await used()).toBe(before);
    } finally {
      await remover.query('rollback');
      remover.release();
    }
  });

  it('of the calling application are removed together', async () => {
    const path = await freshAgent();
    const kept = ((await api.api('reader', 'POST', path, EVENT)).json as { id: number }).id;
    await add(path);
    await add(path);
    for (let round = 0; round < 2; round++) expect((await api.api('demo', 'DELETE', `${path}/`)).status).toBe(204);
    expect((await api.api('demo', 'GET', path)).json).toMatchObject([{ id: kept }]);
    expect((await api.api('demo', 'DELETE', '/client/@me/agent/local/999/event/')).json).toMatchObject({
      status: 'agent_not_found',
    });
  });

  it('notify from the agent’s sequence on', async () => {
    const path = await freshAgent();
    const agentId = nextAgent - 1;
    await api.pool.query('update presence.agent set sequence = 41 where agent_id = $1', [agentId]);
    await add(path);
    const { rows } = await api.pool.query('select after_sequence::int from subscription.agent_event where agent_id = $1', [
      agentId,
    ]);
    expect(rows).toEqual([{ after_sequence: 41 }]);
  });

  it('give the client a signing secret', async () => {
    await add(await freshAgent());
    const { rows } = await api.pool.query<{ secret_sealed: string }>(
      'select secret_sealed from subscription.webhook_secret where client_id = 12',
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]!.secret_sealed).toMatch(/^v1\./);
  });
});

describe('the limit', () => {
  let api: ApiFixture;

  beforeAll(async () => {
    api = await ApiFixture.start({ AGENT_EVENT_LIMIT: 20 });
    await api.addAgent(136);
  });

  afterAll(() => api.stop());

  it('is never exceeded by parallel additions, and counts exactly', async () => {
    const path = '/client/@me/agent/local/136/event/';
    const limit = async () => (await api.api('demo', 'GET', '/client/@me/limit/')).text;
    expect(await limit()).toBe('{"agent_event":20,"agent_event_used":0}');
    expect((await api.api('demo', 'POST', path, EVENT)).status).toBe(201);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        index % 2 ? api.api('demo', 'POST', path, EVENT) : api.api('demo', 'POST', '/client/@me/agent_events/', EVENT),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(19);
    const refused = answers.filter(({ status }) => status !== 201);
    expect(new Set(refused.map((one) => `${one.status} ${(one.json as { status: string }).status}`))).toEqual(
      new Set(['403 event_limit_exceeded']),
    );
    expect(await limit()).toBe('{"agent_event":20,"agent_event_used":20}');

    const ofAgent = (await api.api('demo', 'GET', path)).json as { id: number }[];
    const removed = await Promise.all([ofAgent[0]!, ofAgent[0]!].map(({ id }) => api.api('demo', 'DELETE', `${path}${id}`)));
    expect(removed.map(({ status }) => status).sort()).toEqual([204, 404]);
    expect(await limit()).toBe('{"agent_event":20,"agent_event_used":19}');
    await Promise.all([api.api('demo', 'DELETE', path), api.api('demo', 'DELETE', path)]);
    expect(await limit()).toBe(`{"agent_event":20,"agent_event_used":${20 - ofAgent.length}}`);
    await api.pool.query('update subscription.client_usage set agent_event_limit = 3 where client_id = 12');
    expect(await limit()).toBe(`{"agent_event":3,"agent_event_used":${20 - ofAgent.length}}`);
  });

  it('is not used by an addition that is refused', async () => {
    const used = async () => (await api.api('other', 'GET', '/client/@me/limit/')).text;
    expect((await api.api('other', 'POST', '/client/@me/agent/local/1/event/', EVENT)).status).toBe(404);
    expect((await api.api('other', 'POST', '/client/@me/agent_events/', { ...EVENT, method: 'PUT' })).status).toBe(400);
    expect(await used()).toBe('{"agent_event":20,"agent_event_used":0}');
  });
});
