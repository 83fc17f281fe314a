import { uuidv7 } from 'uuidv7';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RunningService } from '#runtime';
import { call } from '../../../../test/support/client.js';
import { openStream, type StreamReader } from '../../../../test/support/event-stream.js';
import { eventually } from '../../../../test/support/poll.js';
import { startTestPresence } from '../../../../test/support/presence-service.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

describe('the directory on the stream', () => {
  let api: ApiFixture;
  let presence: RunningService;
  const readers: StreamReader[] = [];

  beforeAll(async () => {
    api = await ApiFixture.start();
    presence = await startTestPresence(api.database.url);
  });

  afterEach(() => readers.splice(0).forEach((reader) => reader.close()));

  afterAll(async () => {
    await presence.stop();
    await api.stop();
  });

  async function open(headers: Record<string, string> = {}): Promise<StreamReader> {
    const reader = await openStream(api, { headers });
    readers.push(reader);
    return reader;
  }

  /** What an event tells, in short. */
  const told = ({ events }: StreamReader): unknown[] =>
    events.map(({ event, data }) =>
      event === 'agent'
        ? [data['change'], data['id'], data['extension_name'] ?? data['agent_number'], data['agent_status'], data['sequence']]
        : [data['agent_status'], data['agent_id'], data['sequence']],
    );

  async function report(...items: Record<string, unknown>[]): Promise<unknown> {
    const answer = await call(`${presence.url}/telemetry`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await api.token('platform')}`, 'content-type': 'application/json' },
      body: JSON.stringify(items.map((item) => ({ client_id: '12', agent_type: 'local', event_source: 'phone', ...item }))),
    });
    return (answer.json as { result: string }[]).map(({ result }) => result);
  }

  const put = (path: string, body: unknown) => api.api('demo', 'PUT', `/client/@me/agent/${path}`, body);

  it('shows what the REST API does, and nothing where nothing changed', async () => {
    const stream = await open();
    await put('local/1', { extension_name: 'a' });
    await put('local/1', { extension_name: 'a' });
    await put('local/1', { extension_name: 'b' });
    expect((await put('remote/1', { agent_number: '+7' })).status).toBe(404);
    await api.api('demo', 'DELETE', '/client/@me/agent/local/1');
    expect((await put('remote/1', { agent_number: '+7' })).status).toBe(200);
    await eventually('four events', () => stream.events.length >= 4);
    expect(told(stream)).toEqual([
      ['created', 1, 'a', 'logged_out', 0],
      ['renamed', 1, 'b', 'logged_out', 0],
      ['removed', 1, 'b', 'logged_out', 0],
      ['created', 1, '+7', 'logged_out', 0],
    ]);
    expect(Object.keys(stream.events[3]!.data)).toEqual([
      'change',
      'id',
      'agent_type',
      'agent_number',
      'agent_status',
      'status_since',
      'sequence',
    ]);
  });

  it('shows what telemetry does, before the changes of status that come with it', async () => {
    const stream = await open();
    await report({ agent_id: 2, agent_status: 'available', extension_name: 'a' });
    await report({ agent_id: 2, agent_status: 'available', extension_name: 'b' });
    await report({ agent_id: 2, agent_status: 'logged_out', extension_name: 'c' });
    await report({ agent_id: 2, agent_status: 'logged_out', extension_name: 'c' });
    await report({ agent_id: 3, agent_status: 'logged_out', extension_name: 'x' });
    await eventually('six events', () => stream.events.length >= 6);
    expect(told(stream)).toEqual([
      ['created', 2, 'a', 'logged_out', 0],
      ['available', 2, 1],
      ['renamed', 2, 'b', 'available', 1],
      ['renamed', 2, 'c', 'available', 1],
      ['logged_out', 2, 2],
      ['created', 3, 'x', 'logged_out', 0],
    ]);
  });

  it('shows a removal after the logout, and a return before the login', async () => {
    await report({ agent_id: 4, agent_status: 'available', extension_name: 'a' });
    const stream = await open();
    await api.api('demo', 'DELETE', '/client/@me/agent/local/4');
    await report({ agent_id: 4, agent_status: 'available', occurred_at: new Date(Date.now() + 60_000).toISOString() });
    await eventually('four events', () => stream.events.length >= 4);
    expect(told(stream)).toEqual([
      ['logged_out', 4, 2],
      ['removed', 4, 'a', 'logged_out', 2],
      ['created', 4, 'a', 'logged_out', 2],
      ['available', 4, 3],
    ]);
  });

  it('shows several changes of a new agent in one array after its creation', async () => {
    const stream = await open();
    await report(
      { agent_id: 5, agent_status: 'available', extension_name: 'a' },
      { agent_id: 5, agent_status: 'logged_out' },
      { agent_id: 6, agent_status: 'available', extension_name: 'z' },
      { agent_id: 5, agent_status: 'available' },
    );
    await eventually('six events', () => stream.events.length >= 6);
    const of = (agentId: number): unknown[] => told(stream).filter((one) => (one as unknown[])[1] === agentId);
    expect(of(5)).toEqual([
      ['created', 5, 'a', 'logged_out', 0],
      ['available', 5, 1],
      ['logged_out', 5, 2],
      ['available', 5, 3],
    ]);
    expect(of(6)).toEqual([
      ['created', 6, 'z', 'logged_out', 0],
      ['available', 6, 1],
    ]);
  });

  it('is resumed from any event', async () => {
    const first = await open();
    await put('local/7', { extension_name: 'a' });
    await report({ agent_id: 7, agent_status: 'available' });
    await put('local/7', { extension_name: 'b' });
    await api.api('demo', 'DELETE', '/client/@me/agent/local/7');
    await eventually('five events', () => first.events.length >= 5);
    for (const [nth, { id }] of first.events.slice(0, 4).entries()) {
      const next = await open({ 'last-event-id': String(id) });
      await eventually('the rest', () => next.events.length >= 4 - nth);
      expect(next.events).toEqual(first.events.slice(nth + 1));
    }
  });

  it('is not in the history, and of its own client alone', async () => {
    const stream = await open();
    await api.addAgent(8, 'local', 13);
    await put('local/8', { extension_name: 'a' });
    await eventually('an event', () => stream.events.length > 0);
    expect(told(stream)).toEqual([['created', 8, 'a', 'logged_out', 0]]);
    expect((await api.api('demo', 'GET', '/client/@me/agent_status/history?agent_id=8')).json).toEqual([]);
  });

  it('costs no write where telemetry repeats itself, and no position where an agent is put again', async () => {
    await report({ agent_id: 9, agent_status: 'available', extension_name: 'a' });
    const last = async (): Promise<unknown> =>
      (await api.pool.query('select last_value from presence.status_change_position')).rows;
    const before = await last();
    for (let nth = 0; nth < 5; nth++) await report({ agent_id: 9, agent_status: 'available', extension_name: 'a' });
    for (let nth = 0; nth < 5; nth++) await put('local/9', { extension_name: 'a' });
    expect(await last()).toEqual(before);
  });

  it('has one creation where many create an agent at once', async () => {
    const stream = await open();
    const created = await Promise.all([
      ...Array.from({ length: 5 }, () => put('local/10', { extension_name: 'a' })),
      ...Array.from({ length: 5 }, () => report({ agent_id: 10, agent_status: 'logged_out', extension_name: 'a' })),
    ]);
    expect(created).toHaveLength(10);
    await put('local/11', { extension_name: 'a' });
    await eventually('the next agent', () => stream.events.some(({ data }) => data['id'] === 11));
    expect(told(stream)).toEqual([
      ['created', 10, 'a', 'logged_out', 0],
      ['created', 11, 'a', 'logged_out', 0],
    ]);
  });

  it('and the snapshot’s cursor leave nothing out and tell nothing twice, while agents are being written', async () => {
    const agents = [21, 22, 23, 24, 25, 26];
    await report(...agents.map((agent_id) => ({ agent_id, agent_status: 'logged_out', extension_name: 'a' })));
    let isOver = false;
    const writers = agents.map(async (agent_id) => {
      for (let nth = 1; !isOver; nth++) await report({ agent_id, agent_status: nth % 2 ? 'available' : 'logged_out' });
    });
    for (let look = 0; look < 5; look++) {
      const answer = await api.api('reader', 'GET', '/client/@me/agent_status/');
      const shown = new Map((answer.json as { id: number; sequence: number }[]).map(({ id, sequence }) => [id, sequence]));
      const stream = await open({ 'last-event-id': answer.headers.get('x-event-cursor')! });
      const next = (agentId: number): unknown => stream.events.find(({ data }) => data['agent_id'] === agentId)?.data['sequence'];
      await eventually('a change of each', () => agents.every((agentId) => next(agentId) !== undefined));
      for (const agentId of agents) expect(next(agentId)).toBe(shown.get(agentId)! + 1);
    }
    isOver = true;
    await Promise.all(writers);
  });
});

describe('the log of the directory', () => {
  it('is written whoever writes an agent, and dropped after the retention with the status changes around it', async () => {
    const api = await ApiFixture.start();
    const kinds = async (): Promise<unknown[]> => {
      const text = 'select change, agent_id::int, name from presence.directory_change order by position';
      return (await api.pool.query<Record<string, unknown>>(text)).rows;
    };
    // As a version of before would write them, or an operator.
    await api.pool.query(
      `insert into presence.agent (client_id, agent_id, agent_type, name) values (12, 1, 'local', 'a'), (12, 2, 'local', 'b')`,
    );
    await api.pool.query(`update presence.agent set name = 'c' where agent_id = 1`);
    await api.pool.query(`update presence.agent set agent_status = 'available', sequence = 1`);
    await api.pool.query(`update presence.agent set deleted_at = now() where agent_id = 2`);
    expect(await kinds()).toEqual([
      { change: 'created', agent_id: 1, name: 'a' },
      { change: 'created', agent_id: 2, name: 'b' },
      { change: 'renamed', agent_id: 1, name: 'c' },
      { change: 'removed', agent_id: 2, name: 'b' },
    ]);

    await api.pool.query(`update presence.directory_change set changed_at = now() - interval '40 days' where position <= 3`);
    await api.pool.query(
      `insert into presence.status_change (id, position, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
       values ($1, 2, 12, 1, 'local', 'a', 'available', 'api', 1, now(), now())`,
      [uuidv7()],
    );
    const presence = await startTestPresence(api.database.url, { STATUS_HISTORY_RETENTION: 30 * 86_400_000 });
    expect((await kinds()).length).toBe(3);
    await api.pool.query('delete from presence.status_change');
    await presence.stop();
    await (await startTestPresence(api.database.url, { STATUS_HISTORY_RETENTION: 30 * 86_400_000 })).stop();
    expect(await kinds()).toEqual([{ change: 'removed', agent_id: 2, name: 'b' }]);
    await api.stop();
  });
});
