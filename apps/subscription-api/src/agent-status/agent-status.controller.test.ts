import pg from 'pg';
import { uuidv7 } from 'uuidv7';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openStream, type ReceivedEvent, type StreamReader } from '../../../../test/support/event-stream.js';
import { eventually } from '../../../../test/support/poll.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

interface Change {
  cursor: number;
  agent_id: number;
  sequence: number;
}

describe('agent status', () => {
  let api: ApiFixture;
  const closing: (() => void)[] = [];

  beforeAll(async () => {
    api = await ApiFixture.start();
    for (const agentId of [136, 137]) await api.addAgent(agentId, agentId === 136 ? 'local' : 'remote');
    await api.addAgent(136, 'local', 13);
  });

  afterEach(() => closing.splice(0).forEach((close) => close()));
  afterAll(() => api.stop());

  /** What presence writes for a change. */
  async function write(
    clientId: number,
    agentId: number,
    sequence: number,
    client: pg.Pool | pg.PoolClient = api.pool,
  ): Promise<void> {
    await client.query(
      `insert into presence.status_change (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
       values ($1, $2, $3, 'local', '000*094@ringme.ru', $5, 'api', $4, now(), now())`,
      [uuidv7(), clientId, agentId, sequence, sequence % 2 ? 'available' : 'logged_out'],
    );
  }

  const cursorOf = ({ headers }: { headers: Headers }): number => Number(headers.get('x-event-cursor'));
  const history = (query: string) => api.api('demo', 'GET', `/client/@me/agent_status/history?${query}`);

  /** A stream that is closed after the test. */
  async function open(headers: Record<string, string> = {}, query = ''): Promise<StreamReader> {
    const reader = await openStream(api, { headers, query });
    closing.push(() => reader.close());
    return reader;
  }

  const changesOf = ({ events }: StreamReader): unknown[][] => events.map(({ data }) => [data['agent_id'], data['sequence']]);

  it('is shown for every agent, with a cursor', async () => {
    const answer = await api.api('reader', 'GET', '/client/@me/agent_status/');
    expect(answer.json).toEqual([
      {
        id: 136,
        agent_type: 'local',
        extension_name: '000*094@ringme.ru',
        agent_status: 'logged_out',
        status_since: expect.any(String) as string,
        sequence: 0,
      },
      {
        id: 137,
        agent_type: 'remote',
        agent_number: '+7495',
        agent_status: 'logged_out',
        status_since: expect.any(String) as string,
        sequence: 0,
      },
    ]);
    expect(cursorOf(answer)).toBeGreaterThanOrEqual(0);
  });

  it('is logged', async () => {
    const start = cursorOf(await history('per_page=1&after=0'));
    await write(12, 136, 1);
    await write(13, 136, 1);
    await write(12, 137, 1);
    await write(12, 136, 2);
    const all = await history(`after=${start}`);
    expect((all.json as Change[]).map(({ agent_id, sequence }) => [agent_id, sequence])).toEqual([
      [136, 1],
      [137, 1],
      [136, 2],
    ]);
    expect((all.json as object[])[0]).toMatchObject({
      client_id: '12',
      agent_type: 'local',
      extension_name: '000*094@ringme.ru',
      agent_status: 'available',
      previous_status: 'logged_out',
      event_source: 'api',
    });
    const first = await history(`after=${start}&per_page=2`);
    expect(first.json).toHaveLength(2);
    expect((await history(`after=${cursorOf(first)}`)).json).toMatchObject([{ agent_id: 136, sequence: 2 }]);
    expect((await history(`after=${cursorOf(all)}`)).json).toEqual([]);
    expect((await history('agent_id=137')).json).toMatchObject([{ agent_id: 137 }]);
    expect((await history(`since=${new Date(Date.now() + 60_000).toISOString()}`)).json).toEqual([]);
    expect((await history(`since=${new Date(Date.now() - 60_000).toISOString()}`)).json).toHaveLength(3);
    // RFC 3339 in full, as in telemetry.
    for (const since of ['2026-01-01t00:00:00z', '2025-12-31T23:59:60Z', '2026-01-01T00:00:00.1234567890123-00:00']) {
      expect((await history(`since=${since}`)).json).toHaveLength(3);
    }
    for (const bad of ['since=2026-02-30T00:00:00Z', 'since=2026-01-01T24:00:00Z', 'since=2026-01-01T00:00:61Z']) {
      expect((await history(bad)).status).toBe(400);
    }
    for (const bad of ['agent_id=x', 'since=yesterday', 'after=-1', 'per_page=0']) expect((await history(bad)).status).toBe(400);
  });

  it('is found by type and time, in either order, page by page', async () => {
    const at = async (position: number): Promise<string> =>
      ((await history(`after=${position - 1}&per_page=1`)).json as { changed_at: string }[])[0]!.changed_at;
    const start = cursorOf(await history('after=0'));
    await api.addAgent(150, 'remote');
    for (const sequence of [1, 2, 3, 4]) await write(12, 150, sequence);
    await api.pool.query(
      `update presence.status_change
       set agent_type = 'remote', changed_at = date_trunc('second', now()) + sequence * interval '1 second'
       where agent_id = 150`,
    );
    const cursors = ((await history(`after=${start}`)).json as Change[]).map(({ cursor }) => cursor);
    const sequences = async (query: string): Promise<number[]> =>
      ((await history(`after=${start}&${query}`)).json as Change[]).map(({ sequence }) => sequence);

    expect(await sequences('agent_type=remote')).toEqual([1, 2, 3, 4]);
    expect(await sequences('agent_type=local')).toEqual([]);
    expect(await sequences(`until=${await at(cursors[2]!)}`)).toEqual([1, 2]);
    expect(await sequences(`since=${await at(cursors[1]!)}&until=${await at(cursors[3]!)}`)).toEqual([2, 3]);
    expect(await sequences('order=desc')).toEqual([4, 3, 2, 1]);

    const newest = await history(`after=${start}&order=desc&per_page=3`);
    expect(newest.json).toMatchObject([{ sequence: 4 }, { sequence: 3 }, { sequence: 2 }]);
    expect(cursorOf(newest)).toBe(cursors[3]);
    const next = newest.headers.get('x-next-cursor')!;
    const older = await history(`after=${start}&order=desc&per_page=3&before=${next}`);
    expect([older.json, older.headers.get('x-next-cursor')]).toEqual([[expect.objectContaining({ sequence: 1 })], null]);
    for (const [perPage, end] of [
      [1, false],
      [2, true],
    ] as const) {
      const last = await history(`after=${start}&order=desc&per_page=${perPage}&before=${cursors[2]}`);
      expect(last.json).toHaveLength(perPage);
      expect(last.headers.get('x-next-cursor') === null).toBe(end); // also where the last page is full
    }
    const full = await history(`after=${start}&per_page=4`);
    expect([cursorOf(full), full.headers.get('x-next-cursor')]).toEqual([cursors[3], null]);

    expect((await api.api('demo', 'DELETE', '/client/@me/agent/remote/150')).status).toBe(204);
    expect(await sequences('agent_id=150')).toEqual([1, 2, 3, 4]);
  });

  it.each([
    ['history?order=up', 'order'],
    ['history?agent_type=locl', 'agent_type'],
    ['history?until=2026-01-01T00:00:00Z&since=2026-01-01T00:00:00Z', 'until'],
    ['history?agent=136', 'agent'],
    ['history?after=1&After=2', 'After'],
    ['stream?since=2026-01-01T00:00:00Z', 'since'],
    ['?type=local', 'type'],
  ])('refuses what it does not know: %s', async (path, field) => {
    const answer = await api.api('demo', 'GET', `/client/@me/agent_status/${path}`);
    expect([answer.status, answer.json]).toEqual([
      400,
      expect.objectContaining({ status: 'validation_error', errors: { [field]: [expect.any(String)] } }),
    ]);
  });

  it('is streamed to its own client alone', async () => {
    const stream = await open();
    await write(13, 136, 2);
    await write(12, 136, 3);
    await eventually('the change', () => stream.events.length > 0);
    const [{ id, event, data }] = stream.events as [ReceivedEvent];
    expect([event, data]).toEqual(['agent-status', expect.objectContaining({ agent_id: 136, sequence: 3, client_id: '12' })]);
    expect(id).toBe(data['cursor']);
  });

  it('is streamed from where a stream ended, with nothing missed', async () => {
    const first = await open();
    await write(12, 136, 4);
    await eventually('the change', () => first.events.length > 0);
    closing.splice(0).forEach((close) => close());
    await write(12, 136, 5);
    await write(12, 137, 2);
    const second = await open({ 'last-event-id': String(first.events.at(-1)!.id) });
    await write(12, 136, 6);
    await eventually('three changes', () => second.events.length >= 3);
    expect(changesOf(second)).toEqual([
      [136, 5],
      [137, 2],
      [136, 6],
    ]);
    const third = await open({}, `?after=${second.events[0]!.id}`);
    await eventually('two changes', () => third.events.length >= 2);
  });

  it('does not pass a change whose transaction is still open', async () => {
    const stream = await open();
    const writer = await api.pool.connect();
    await writer.query('begin');
    await write(12, 136, 7, writer);
    await write(12, 137, 3);
    const before = cursorOf(await history('agent_id=1'));
    // A later change is committed, and yet neither shown nor passed by a cursor.
    expect((await history(`after=${before}`)).json).toEqual([]);
    await writer.query('commit');
    writer.release();
    await eventually('both changes', () => stream.events.length >= 2);
    expect(changesOf(stream)).toEqual([
      [136, 7],
      [137, 3],
    ]);
    expect((await history(`after=${before}`)).json).toHaveLength(2);
  });

  it('passes a change that was rolled back', async () => {
    const stream = await open();
    const writer = await api.pool.connect();
    await writer.query('begin');
    await write(12, 136, 8, writer);
    await writer.query('rollback');
    writer.release();
    await write(12, 137, 4);
    await eventually('the later change', () => stream.events.length > 0);
    expect(changesOf(stream)).toEqual([[137, 4]]);
  });

  it('answers HEAD without a stream', async () => {
    const answer = await api.api('demo', 'HEAD', '/client/@me/agent_status/stream');
    expect([answer.status, answer.text]).toEqual([200, '']);
  });
});

describe('the service that stops', () => {
  it('ends its streams', async () => {
    const api = await ApiFixture.start();
    const response = await fetch(`${api.url}/api/ver1.0/client/@me/agent_status/stream`, {
      headers: { authorization: `Bearer ${await api.token('demo')}` },
    });
    const ended = response.text();
    await api.stop();
    expect(await ended).toMatch(/^retry:/);
  });
});
