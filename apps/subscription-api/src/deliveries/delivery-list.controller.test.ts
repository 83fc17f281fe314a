import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeliveryRows } from '../../../../test/support/delivery-rows.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

const HOUR_MS = 3_600_000;

interface Listed {
  readonly id: string;
  readonly status: string;
}

describe('the deliveries of a client', () => {
  let api: ApiFixture;
  let rows: DeliveryRows;
  let ofAgent: number;
  let ofAll: number;
  /** By what each is for, as it was made. */
  const ids: Record<string, string> = {};

  const add = async (path: string, event: object): Promise<number> =>
    ((await api.api('demo', 'POST', path, event)).json as { id: number }).id;
  const list = async (query = ''): Promise<Listed[]> => {
    const answer = await api.api('reader', 'GET', `/client/@me/delivery/${query}`);
    expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
    return answer.json as Listed[];
  };
  const idsOf = async (query: string): Promise<string[]> => (await list(query)).map(({ id }) => id);

  beforeAll(async () => {
    api = await ApiFixture.start();
    rows = new DeliveryRows(api.pool);
    await api.addAgent(1);
    await api.addAgent(2, 'remote');
    await api.addAgent(1, 'local', 13);
    ofAgent = await add('/client/@me/agent/local/1/event/', {
      url: 'http://127.0.0.1:9/a?k=1',
      event_type: 'agent-login',
      method: 'POST',
    });
    ofAll = await add('/client/@me/agent_events/', { url: 'http://127.0.0.1:9/all', event_type: 'agent-login', method: 'GET' });
    const of13 = await api.api('other', 'POST', '/client/@me/agent_events/', {
      url: 'http://127.0.0.1:9/',
      event_type: 'agent-login',
      method: 'GET',
    });
    const foreign = await rows.addLogin({ clientId: 13, agentId: 1 });
    await rows.addAttempt((of13.json as { id: number }).id, foreign, 1, 'delivered');
    ids['foreign'] = `${foreign}_${(of13.json as { id: number }).id}`;

    const now = Date.now();
    const at = (minute: number): Date => new Date(now - HOUR_MS + minute * 60_000);
    const [first, failed, again] = [
      await rows.addLogin({ agentId: 1 }, at(1)),
      await rows.addLogin({ agentId: 1 }, at(2)),
      await rows.addLogin({ agentId: 1 }, at(3)),
    ];
    for (const event of [ofAgent, ofAll]) await rows.addAttempt(event, first, 1, 'delivered');
    await rows.addAttempt(ofAgent, failed, 1, 'retry', 500);
    await rows.addAttempt(ofAgent, failed, 2, 'failed', null);
    await rows.addAttempt(ofAll, failed, 1, 'delivered');
    await rows.addAttempt(ofAgent, again, 1, 'delivered');
    await rows.addAttempt(ofAgent, again, 2, 'retry', 503, 'redeliver');
    await rows.addAttempt(ofAll, again, 1, 'delivered');
    await rows.addAttempt(ofAll, again, 2, 'delivered', 200, 'replay');
    await rows.sendAgain(ofAgent, again, 1);
    await rows.sendAgain(ofAll, again, 0);
    const remote = await rows.addLogin({ agentId: 2 }, at(4));
    const behind = await rows.addLogin({ agentId: 2 }, at(5));
    await rows.addAttempt(ofAll, remote, 1, 'retry', 503);
    await rows.fallBehind(ofAll, remote, { attempts: 1 });
    await rows.plan({ agentId: 1 });
    await rows.plan({ agentId: 2 });
    const sending = await rows.addLogin({ agentId: 1 }, at(6));
    Object.assign(ids, {
      first: `${first}_${ofAgent}`,
      firstOfAll: `${first}_${ofAll}`,
      failed: `${failed}_${ofAgent}`,
      failedOfAll: `${failed}_${ofAll}`,
      again: `${again}_${ofAgent}`,
      resending: `${again}_${ofAll}`,
      retrying: `${remote}_${ofAll}`,
      waiting: `${behind}_${ofAll}`,
      sending: `${sending}_${ofAgent}`,
      sendingOfAll: `${sending}_${ofAll}`,
    });
  });

  afterAll(() => api.stop());

  const ALL = [
    'sendingOfAll',
    'sending',
    'waiting',
    'retrying',
    'resending',
    'again',
    'failedOfAll',
    'failed',
    'firstOfAll',
    'first',
  ];
  const named = (...names: string[]): string[] => names.map((name) => ids[name]!);

  it('are listed, the newest first, whatever they are doing, and nobody else’s', async () => {
    expect(await idsOf('')).toEqual(named(...ALL));
  });

  it.each([1, 2, 3, 7, 10, 100])('are the same in pages of %i', async (size) => {
    const found: string[] = [];
    for (let before = '', pages = 0; pages <= ALL.length; pages++) {
      const answer = await api.api('reader', 'GET', `/client/@me/delivery/?per_page=${size}${before}`);
      found.push(...(answer.json as Listed[]).map(({ id }) => id));
      const next = answer.headers.get('x-next-cursor');
      if (next === null) break;
      before = `&before=${next}`;
    }
    expect(found).toEqual(named(...ALL));
  });

  it.each([
    ['status=failed', ['failed']],
    ['status=delivered', ['resending', 'again', 'failedOfAll', 'firstOfAll', 'first']],
    ['status=retrying', ['retrying']],
    ['status=waiting', ['waiting']],
    ['status=sending', ['sendingOfAll', 'sending']],
    ['status=suspended', []],
    ['status=dropped', []],
    ['status=failed,retrying', ['retrying', 'failed']],
    ['agent_type=remote', ['waiting', 'retrying']],
    ['agent_id=2', ['waiting', 'retrying']],
    ['agent_id=1&status=delivered', ['resending', 'again', 'failedOfAll', 'firstOfAll', 'first']],
    ['agent_id=3', []],
    ['agent_id=1&agent_type=remote', []],
  ])('are listed by %s', async (query, names) => {
    expect(await idsOf(`?${query}`)).toEqual(named(...names));
    const all = await idsOf(`?per_page=1&${query}`);
    expect(all).toEqual(named(...names.slice(0, 1)));
  });

  it('are listed by agent event, and by when the change was made', async () => {
    const ofAgentAlone = named('sending', 'again', 'failed', 'first');
    expect(await idsOf(`?agent_event_id=${ofAgent}`)).toEqual(ofAgentAlone);
    expect(await idsOf('?agent_event_id=4000000000')).toEqual([]);
    const [delivery] = (await api.api('reader', 'GET', `/client/@me/delivery/?agent_event_id=${ofAgent}&status=failed`)).json as {
      change: { changed_at: string };
    }[];
    const moment = delivery!.change.changed_at;
    expect(await idsOf(`?agent_event_id=${ofAgent}&since=${moment}`)).toEqual(named('sending', 'again', 'failed'));
    expect(await idsOf(`?agent_event_id=${ofAgent}&until=${moment}`)).toEqual(named('first'));
    const ofEvent = await api.api(
      'reader',
      'GET',
      `/client/@me/agent/local/1/event/${ofAgent}/delivery?since=2026-01-01T00:00:00Z`,
    );
    expect((ofEvent.json as Listed[]).map(({ id }) => id)).toEqual(ofAgentAlone);
  });

  it.each([
    ['status=lost', 'status'],
    ['status=', 'status'],
    ['outcome=failed', 'outcome'],
    ['page=2', 'page'],
    ['before=7', 'before'],
    ['since=yesterday', 'since'],
    ['since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z', 'until'],
    ['agent_type=x', 'agent_type'],
    ['agent_id=x', 'agent_id'],
    ['per_page=1001', 'per_page'],
  ])('are not listed by %s', async (query, field) => {
    const answer = await api.api('reader', 'GET', `/client/@me/delivery/?${query}`);
    expect([answer.status, Object.keys((answer.json as { errors: object }).errors)]).toEqual([400, [field]]);
  });

  it('are shown with what they are of, what they do, and what they wait for', async () => {
    const [retrying] = await list('?status=retrying');
    expect(retrying).toEqual({
      id: ids['retrying'],
      agent_event: { id: ofAll, url: 'http://127.0.0.1:9/all', method: 'GET', event_type: 'agent-login', all_agents: true },
      agent: { id: 2, agent_type: 'remote', name: '+7495' },
      change: {
        id: ids['retrying']!.split('_')[0],
        agent_status: 'available',
        event_source: 'api',
        sequence: 1,
        occurred_at: expect.any(String) as string,
        changed_at: expect.any(String) as string,
      },
      status: 'retrying',
      waiting_for: { reason: 'due', since: expect.any(String) as string },
      next_attempt_at: '2099-01-01T00:00:00.000Z',
      expires_at: expect.any(String) as string,
      attempts_count: 1,
      last_attempt: {
        attempt: 1,
        trigger: 'first',
        at: expect.any(String) as string,
        latency_ms: 12,
        outcome: 'retry',
        http_status: 503,
        error: null,
        response: 'body',
      },
    });
    expect(await list('?status=waiting')).toMatchObject([{ waiting_for: { reason: 'earlier', delivery_id: ids['retrying'] } }]);
    expect((await list('?status=delivered&per_page=1'))[0]).toMatchObject({ id: ids['resending'], resending: true });
  });

  it('say which one is sent again before them', async () => {
    const failed = ids['failed']!.split('_')[0]!;
    await rows.sendAgain(ofAgent, failed, 0);
    const waitingFor = async (name: string): Promise<unknown> =>
      ((await api.api('reader', 'GET', `/client/@me/delivery/${ids[name]}`)).json as { waiting_for: unknown }).waiting_for;
    expect(await waitingFor('again')).toEqual({ reason: 'earlier', delivery_id: ids['failed'] });
    expect(await waitingFor('failed')).toEqual({ reason: 'due', since: null });
    await api.pool.query('delete from dispatch.redelivery where agent_event_id = $1 and change_id = $2', [ofAgent, failed]);
    expect(await waitingFor('again')).toEqual({ reason: 'due', since: null });
  });

  it('say that they are being sent where they fell behind while their requests are out', async () => {
    await api.pool.query(
      `update dispatch.behind set sending_until = now() + interval '1 hour', due_at = now() + interval '1 hour', attempts = 0`,
    );
    expect(await list('?status=sending&agent_id=2')).toMatchObject([
      { id: ids['retrying'], status: 'sending', waiting_for: null, next_attempt_at: null },
    ]);
    expect(await idsOf('?status=waiting')).toEqual(named('waiting'));
    await api.pool.query('update dispatch.behind set sending_until = null, due_at = now(), attempts = 1');
    expect(await idsOf('?status=retrying')).toEqual(named('retrying'));
  });

  it('say that the origin is not sent to, or that the agent event is suspended', async () => {
    await api.pool.query(
      `insert into dispatch.origin_state values (12, 'http://127.0.0.1:9', gen_random_uuid(), 'open', now(), now(), 'refused', now())`,
    );
    expect((await list('?status=retrying'))[0]).toMatchObject({
      waiting_for: { reason: 'origin', since: expect.any(String) as string },
    });
    await api.pool.query('delete from dispatch.origin_state');
    await api.pool.query(
      `insert into dispatch.event_health (agent_event_id, failing_since, suspended_at, suspended_reason) values ($1, now(), now(), 'gone')`,
      [ofAll],
    );
    expect(await list('?status=suspended')).toMatchObject([
      { id: ids['waiting'], waiting_for: { reason: 'suspended' }, next_attempt_at: null },
      { id: ids['retrying'], waiting_for: { reason: 'suspended' }, next_attempt_at: null },
    ]);
    await api.pool.query('delete from dispatch.event_health');
  });

  it('are shown one by one, with every attempt and the request', async () => {
    const one = async (name: string) => (await api.api('reader', 'GET', `/client/@me/delivery/${ids[name]}`)).json;
    expect(await one('again')).toMatchObject({
      status: 'delivered',
      resending: true,
      attempts: [
        { attempt: 1, trigger: 'first' },
        { attempt: 2, trigger: 'redeliver' },
      ],
      request: {
        method: 'POST',
        url: 'http://127.0.0.1:9/a?k=1',
        body: 'agent_status=available&agent_type=local&event_source=api&agent_id=1&extension_name=000*094%40ringme.ru',
        pairs: [
          ['agent_status', 'available'],
          ['agent_type', 'local'],
          ['event_source', 'api'],
          ['agent_id', '1'],
          ['extension_name', '000*094@ringme.ru'],
        ],
        headers: {
          'webhook-id': ids['again'],
          'webhook-attempt': '2',
          'webhook-signature': expect.stringMatching(/^v1,.{4}…$/) as string,
          'content-type': 'application/x-www-form-urlencoded',
        },
        changed_since: false,
      },
    });
    expect(await one('sendingOfAll')).toMatchObject({
      status: 'sending',
      waiting_for: null,
      attempts: [],
      request: { method: 'GET', body: null, url: expect.stringContaining('/all?agent_status=available&') as string },
    });
    expect(await one('foreign')).toMatchObject({ status: 'delivery_not_found' });
  });

  it('stay to be seen when the agent event is gone', async () => {
    const id = await add('/client/@me/agent_events/', {
      url: 'http://127.0.0.1:9/gone',
      event_type: 'agent-login',
      method: 'GET',
    });
    const change = await rows.addLogin({ agentId: 2 });
    await rows.addAttempt(id, change, 1, 'delivered');
    await rows.plan({ agentId: 2 });
    expect((await api.api('demo', 'DELETE', `/client/@me/agent_events/${id}`)).status).toBe(204);
    expect((await api.api('reader', 'GET', `/client/@me/delivery/${change}_${id}`)).json).toMatchObject({
      status: 'delivered',
      agent_event: { id, deleted: true, url: null },
      request: null,
    });
    const explained = (await api.api('reader', 'GET', '/client/@me/agent/remote/2/explain')).json as {
      agent_events: { id: number }[];
    };
    expect(explained.agent_events.find((event) => event.id === id)).toMatchObject({
      deleted: true,
      notified: true,
      code: 'delivered',
      delivery: { id: `${change}_${id}`, attempts: [{ attempt: 1 }] },
    });
  });

  it.each([3, 10, 60])('are the same in pages of %i where ids are a minute off the change and its attempts', async (size) => {
    const agentId = 1000 + size;
    await api.addAgent(agentId);
    const path = `/client/@me/agent/local/${agentId}/event/`;
    const event = await add(path, { url: 'http://127.0.0.1:9/', event_type: 'agent-login', method: 'GET' });
    const expected: string[] = [];
    const start = Date.now() - 20 * 60_000;
    for (let n = 0; n < 60; n++) {
      // A busy minute, and two that are not; ids up to a minute before and after.
      const changedAt = start + (n < 50 ? n * 1000 : n * 2000);
      const id = await rows.addLogin({ agentId }, new Date(changedAt + (((n * 37) % 121) - 60) * 1000));
      await api.pool.query('update presence.status_change set changed_at = $2 where id = $1', [id, new Date(changedAt)]);
      await rows.addAttempt(event, id, 1, 'delivered');
      expected.push(`${id}_${event}`);
      await api.pool.query(
        `insert into dispatch.delivery_series as s
         values (12, $1, 60, date_trunc('minute', $2::timestamptz), 1, 0, 0, 0, array_fill(0, array[12]))
         on conflict (client_id, agent_event_id, grain, at) do update set delivered = s.delivered + 1`,
        [event, new Date(changedAt)],
      );
    }
    await rows.plan({ agentId });
    const found: string[] = [];
    for (let before = '', pages = 0; pages <= expected.length; pages++) {
      const answer = await api.api('reader', 'GET', `/client/@me/delivery/?agent_event_id=${event}&per_page=${size}${before}`);
      found.push(...(answer.json as Listed[]).map(({ id }) => id));
      const next = answer.headers.get('x-next-cursor');
      if (next === null) break;
      before = `&before=${next}`;
    }
    expect(found).toEqual(expected.toSorted().toReversed());
  });

  it.each([7, 70, 100])('are the same in pages of %i where each failed again and again', async (size) => {
    const agentId = 2000 + size;
    await api.addAgent(agentId);
    const path = `/client/@me/agent/local/${agentId}/event/`;
    const event = await add(path, { url: 'http://127.0.0.1:9/', event_type: 'agent-login', method: 'GET' });
    const expected: string[] = [];
    for (let n = 0; n < 120; n++) {
      const id = await rows.addLogin({ agentId }, new Date(Date.now() - HOUR_MS + n * 1000));
      const outcome = n % 2 === 0 ? 'failed' : 'dropped';
      for (const attempt of [1, 2, 3, 4]) await rows.addAttempt(event, id, attempt, outcome, null, attempt > 1 ? 'replay' : null);
      expected.push(`${id}_${event}`);
    }
    await rows.plan({ agentId });
    const pagesOf = async (status: string): Promise<string[]> => {
      const found: string[] = [];
      for (let before = '', pages = 0; pages <= expected.length; pages++) {
        const query = `agent_event_id=${event}&status=${status}&per_page=${size}${before}`;
        const answer = await api.api('reader', 'GET', `/client/@me/delivery/?${query}`);
        found.push(...(answer.json as Listed[]).map(({ id }) => id));
        const next = answer.headers.get('x-next-cursor');
        if (next === null) break;
        before = `&before=${next}`;
      }
      return found;
    };
    const newestFirst = expected.toSorted().toReversed();
    expect(await pagesOf('failed,dropped')).toEqual(newestFirst);
    expect(await pagesOf('failed')).toEqual(newestFirst.filter((id) => expected.indexOf(id) % 2 === 0));
  });
});
