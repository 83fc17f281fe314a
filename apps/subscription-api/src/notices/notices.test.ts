import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

const URL = 'http://127.0.0.1:1/notices';
const ALL = ['endpoint.suspended', 'endpoint.recovered', 'replay.finished', 'limit.near'];

interface Notice {
  readonly id: number;
  readonly type: string;
  readonly agent_event_id: number | null;
  readonly data: object;
  readonly deliveries: object[];
}

let api: ApiFixture;

beforeAll(async () => {
  api = await ApiFixture.start({ AGENT_EVENT_LIMIT: 10 });
  await api.addAgent(1);
});

afterAll(() => api.stop());

const events = (app: 'demo' | 'reader' | 'other', method: string, id: number | string = '', body?: unknown) =>
  api.api(app, method, `/client/@me/notice_event/${id}`, body);
const notices = async (query = '') => {
  const { json, headers } = await api.api('reader', 'GET', `/client/@me/notice/${query}`);
  return { page: json as Notice[], next: headers.get('x-next-cursor') };
};
async function addEvent(): Promise<number> {
  const event = { url: 'https://example.com/hook?key=secret', event_type: 'agent-login', method: 'GET' };
  const { status, json } = await api.api('demo', 'POST', '/client/@me/agent_events/', event);
  return status === 201 ? (json as { id: number }).id : 0;
}

describe('notice events', () => {
  it('are added, read, changed and removed', async () => {
    const added = await events('reader', 'POST', '', { url: URL, types: ['limit.near', 'endpoint.suspended', 'limit.near'] });
    const { id } = added.json as { id: number };
    const event = { id, url: URL, types: ['endpoint.suspended', 'limit.near'], suspended: null };
    expect([added.status, added.json]).toEqual([201, event]);
    expect((await events('demo', 'GET', id)).json).toEqual(event);
    expect((await events('demo', 'GET')).json).toEqual([event]);
    expect((await events('other', 'GET')).json).toEqual([]);
    expect((await events('demo', 'PUT', id, {})).json).toEqual(event);
    expect((await events('demo', 'PUT', id, event)).json).toEqual(event);
    const changed = { ...event, url: `${URL}?x=1`, types: ALL };
    expect((await events('demo', 'PUT', `${id}/`, { url: changed.url, types: [...ALL].reverse() })).json).toEqual(changed);
    for (const method of ['GET', 'PUT', 'DELETE'])
      expect((await events('other', method, id, method === 'PUT' ? {} : undefined)).json).toMatchObject({ status: 'not_found' });
    const removed = await events('demo', 'DELETE', id);
    expect([removed.status, removed.text]).toEqual([204, '']);
    expect((await events('demo', 'DELETE', id)).status).toBe(404);
    expect((await events('demo', 'GET', 'x')).status).toBe(404);
  });

  it.each([
    [{ types: ALL }, { url: ['is required'] }],
    [{ url: URL }, { types: ['is required'] }],
    [{ url: URL, types: [] }, { types: [expect.stringContaining('one or more of')] }],
    [{ url: URL, types: 'limit.near' }, { types: [expect.stringContaining('must be an array')] }],
    [{ url: URL, types: ['limit.far'] }, { types: [expect.stringContaining('limit.near')] }],
    [{ url: null, types: ALL }, { url: ['must be a string'] }],
    [{ url: 'http://10.0.0.1/', types: ALL }, { url: [expect.stringContaining('not a public address')] }],
    [
      { url: 'ftp://example.com/', types: [] },
      { url: [expect.any(String)], types: [expect.any(String)] },
    ],
    [{ url: URL, types: ALL, method: 'GET' }, { method: ['is not known here'] }],
  ])('are refused where a field is wrong: %j', async (body, errors) => {
    const answer = await events('demo', 'POST', '', body);
    expect([answer.status, answer.json]).toEqual([
      400,
      { message: expect.any(String) as string, status: 'validation_error', errors },
    ]);
  });

  it('serve no other method, and no unknown key of the query', async () => {
    const answer = await events('demo', 'PATCH', '', {});
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, expect.stringContaining('POST')]);
    expect((await events('demo', 'GET', '?type=limit.near')).status).toBe(400);
  });

  it('are a hundred at most, and show a suspension until it is lifted', async () => {
    await api.pool.query(
      `insert into subscription.notice_event (client_id, application_id, url, types) select 13, 1, $1, '{limit.near}' from generate_series(1, 99)`,
      [URL],
    );
    const added = await Promise.all([1, 2, 3].map(() => events('other', 'POST', '', { url: URL, types: ALL })));
    expect(added.map(({ status }) => status).sort()).toEqual([201, 403, 403]);
    const { id } = added.find(({ status }) => status === 201)!.json as { id: number };
    await api.pool.query(`insert into dispatch.notice_event_health values ($1, now(), now(), 'gone')`, [id]);
    expect((await events('other', 'GET', id)).json).toMatchObject({
      suspended: { reason: 'gone', since: expect.stringMatching(/Z$/) as string },
    });
    const resumed = await events('other', 'POST', `${id}/resume`);
    expect([resumed.status, resumed.json]).toEqual([201, { id, url: URL, types: ALL, suspended: null }]);
  });
});

describe('notices', () => {
  it('tell once that the limit is near, and again after there was room', async () => {
    const { id } = (await events('demo', 'POST', '', { url: URL, types: ['limit.near'] })).json as { id: number };
    const near = async () => (await notices()).page.filter(({ type }) => type === 'limit.near');
    const added: number[] = [];
    const add = async (count: number) => {
      for (let nth = 0; nth < count; nth++) added.push(await addEvent());
    };
    const remove = async (count: number) => {
      for (const event of added.splice(0, count))
        expect((await api.api('demo', 'DELETE', `/client/@me/agent_events/${event}`)).status).toBe(204);
    };
    await add(8);
    expect(await near()).toEqual([]);
    await Promise.all([1, 2, 3].map(() => add(1)));
    expect(added.filter((one) => one === 0)).toHaveLength(1); // refused: it was the eleventh
    added.splice(added.indexOf(0), 1);
    expect(await near()).toEqual([
      {
        id: expect.any(Number) as number,
        type: 'limit.near',
        at: expect.stringMatching(/Z$/) as string,
        agent_event_id: null,
        words: '9 of 10 agent events are in use: beyond the limit no more can be added.',
        data: { agent_event: 10, agent_event_used: 9 },
        deliveries: [{ notice_event_id: id, status: 'waiting', attempts: 0, last_error: null }],
      },
    ]);
    await remove(2);
    await add(1);
    expect(await near()).toHaveLength(1); // eight tenths in between: nobody wants to be told each time
    await remove(2);
    await add(2);
    expect(await near()).toHaveLength(2);
    for (const agent_event of [20, null, 9])
      expect((await api.api('platform', 'PUT', '/client/12/limit/', { agent_event })).status).toBe(200);
    expect((await near()).map(({ data }) => data)).toMatchObject([
      { agent_event: 10, agent_event_used: 9 },
      { agent_event: 10 },
      { agent_event: 10 },
    ]);
    await api.api('platform', 'PUT', '/client/12/limit/', { agent_event: null });
    await remove(added.length);
    await events('demo', 'DELETE', id);
  });

  it('tell who pauses and resumes, newest first, page by page', async () => {
    const event = await addEvent();
    for (const command of ['pause', 'resume', 'pause', 'pause', 'resume', 'resume'])
      expect((await api.api('demo', 'POST', `/client/@me/agent_events/${event}/${command}`)).status).toBe(201);
    const of = (page: Notice[]) => page.filter(({ agent_event_id }) => agent_event_id === event).map(({ type }) => type);
    const { page, next } = await notices('?per_page=3');
    expect(of(page)).toEqual(['endpoint.recovered', 'endpoint.suspended', 'endpoint.recovered']);
    expect(page[0]).toMatchObject({ data: { reason: 'paused', origin: 'https://example.com', event_type: 'agent-login' } });
    expect(next).toBe(String(page[2]!.id));
    const rest = await notices(`?before=${next}&per_page=1000`);
    expect([of(rest.page), rest.next]).toEqual([['endpoint.suspended'], null]);
    expect(JSON.stringify([page, rest.page])).not.toContain('secret');
    expect((await api.api('other', 'GET', '/client/@me/notice')).json).toEqual([]);
    for (const query of ['?before=x', '?page=2', '?type=limit.near'])
      expect((await api.api('demo', 'GET', `/client/@me/notice/${query}`)).status).toBe(400);
  });

  it('wait in a line of ten where somebody pauses and resumes without end; what was tried stays', async () => {
    const { id } = (await events('demo', 'POST', '', { url: URL, types: ALL })).json as { id: number };
    const event = await addEvent();
    const turn = async (times: number) => {
      for (let nth = 0; nth < times; nth++)
        for (const command of ['pause', 'resume'])
          expect((await api.api('demo', 'POST', `/client/@me/agent_events/${event}/${command}`)).status).toBe(201);
    };
    await turn(1);
    await api.pool.query(
      `update dispatch.notice_delivery set attempts = 1
       where notice_event_id = $1 and notice_id = (select min(notice_id) from dispatch.notice_delivery where notice_event_id = $1)`,
      [id],
    );
    await turn(8);
    const { rows } = await api.pool.query<{ status: string }>(
      'select status from dispatch.notice_delivery where notice_event_id = $1 order by notice_id',
      [id],
    );
    const [waiting, dropped] = ['waiting', 'dropped'].map((status) => ({ status }));
    expect(rows).toEqual([waiting, ...Array<object>(7).fill(dropped!), ...Array<object>(10).fill(waiting!)]);
    await events('demo', 'DELETE', id);
  });

  it('are not written of what is deleted', async () => {
    const event = await addEvent();
    await api.api('demo', 'POST', `/client/@me/agent_events/${event}/pause`);
    await api.api('demo', 'DELETE', `/client/@me/agent_events/${event}`);
    await api.pool.query('delete from dispatch.event_health'); // as the dispatcher does
    const { page } = await notices();
    expect(page.filter(({ agent_event_id }) => agent_event_id === event).map(({ type }) => type)).toEqual(['endpoint.suspended']);
  });
});
