import { uuidv7 } from 'uuidv7';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openStream, type StreamReader } from '../../../../test/support/event-stream.js';
import { eventually } from '../../../../test/support/poll.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

const PATH = '/client/@me/agent_status';

/** Writes an agent's changes, as presence does, the first of them with this sequence. */
async function writeChanges(api: ApiFixture, agentId: number, first: number, count: number, days = 0): Promise<void> {
  for (let sequence = first; sequence < first + count; sequence++) {
    const at = Date.now() - days * 86_400_000;
    const id = at.toString(16).padStart(12, '0') + uuidv7().replaceAll('-', '').slice(12);
    await api.pool.query(
      `insert into presence.status_change (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
       values ($1, 12, $2, 'local', 'x', $3, 'api', $4, to_timestamp($5 / 1000.0), to_timestamp($5 / 1000.0))`,
      [id, agentId, sequence % 2 ? 'available' : 'logged_out', sequence, at],
    );
  }
}

async function lastGivenOut(api: ApiFixture): Promise<number> {
  const { rows } = await api.pool.query<{ last: string }>('select last_value as last from presence.status_change_position');
  return Number(rows[0]!.last);
}

describe('the cursors of a log that has everything', () => {
  let api: ApiFixture;
  const readers: StreamReader[] = [];

  beforeAll(async () => {
    api = await ApiFixture.start();
    await api.addAgent(136);
    await writeChanges(api, 136, 1, 3);
    await eventually('the changes', async () => (await current()) === 4);
  });

  afterEach(() => readers.splice(0).forEach((reader) => reader.close()));
  afterAll(() => api.stop());

  const current = async (): Promise<number> => Number((await api.api('demo', 'GET', `${PATH}/`)).headers.get('x-event-cursor'));
  const get = (path: string, headers = {}) => api.api('demo', 'GET', `${PATH}/${path}`, undefined, headers);

  async function open(query: string, headers: Record<string, string> = {}): Promise<StreamReader> {
    const reader = await openStream(api, { query, headers });
    readers.push(reader);
    return reader;
  }

  const above: [string, (last: number) => string][] = [
    ['the last + 1', (last) => String(last + 1)],
    ['the last + 1,000,000', (last) => String(last + 1_000_000)],
    ['2^53', () => String(2n ** 53n)],
    ['2^63', () => String(2n ** 63n)],
    ['2^64', () => String(2n ** 64n)],
    ['400 nines', () => '9'.repeat(400)],
  ];

  it.each(above)('were never given out above the last: %s', async (_what, of) => {
    const cursor = of(await lastGivenOut(api));
    for (const path of ['history', 'stream'])
      expect(await get(`${path}?after=${cursor}`)).toMatchObject({ status: 410, json: { status: 'cursor_expired' } });
    const reader = await open('', { 'last-event-id': cursor });
    await eventually('the reset', () => reader.events.length > 0);
    expect(reader.events).toEqual([{ id: await current(), event: 'reset', data: { reason: 'unknown_cursor' } }]);
    expect(reader.text).toMatch(/^retry: \d+\nid: \d+\nevent: reset\ndata: \{"reason":"unknown_cursor"\}\n\n/);
  });

  it.each(['-1', '1e3', 'abc', '', '5.0', '0x10', '5,6'])('are whole numbers, and not %j', async (cursor) => {
    for (const path of ['history', 'stream'])
      expect(await get(`${path}?after=${cursor}`)).toMatchObject({
        status: 400,
        json: { errors: { after: [expect.any(String)] } },
      });
    expect(await get('stream', { 'last-event-id': cursor })).toMatchObject({
      status: 400,
      json: { errors: { 'Last-Event-ID': [expect.any(String)] } },
    });
  });

  it('refuses a space and one that is given twice', async () => {
    for (const query of ['after=%205', 'after=1&after=2']) expect((await get(`history?${query}`)).status).toBe(400);
  });

  it('begin with 0, which is the oldest that is kept', async () => {
    for (const query of ['', '?after=0']) expect((await get(`history${query}`)).json).toHaveLength(3);
    for (const lastEventId of [undefined, '0']) {
      const reader = await open('?after=0', lastEventId === undefined ? {} : { 'last-event-id': lastEventId });
      await eventually('everything', () => reader.events.length >= 4);
      expect(reader.events.map(({ id, event }) => [id, event])).toEqual([
        [1, 'agent'],
        [2, 'agent-status'],
        [3, 'agent-status'],
        [4, 'agent-status'],
      ]);
    }
  });

  it('of Last-Event-ID count before those of after, whatever those are', async () => {
    for (const after of ['1', '999999']) {
      const reader = await open(`?after=${after}`, { 'last-event-id': '3' });
      await eventually('the last change', () => reader.events.length > 0);
      expect(reader.events.map(({ id }) => id)).toEqual([4]);
    }
    const reset = await open('?after=1', { 'last-event-id': '999999' });
    await eventually('the reset', () => reset.events.length > 0);
    expect(reset.events[0]!.event).toBe('reset');
  });

  it('of another instance are good although this one has not come to them', async () => {
    const writer = await api.pool.connect();
    await writer.query('begin');
    // A change that is not committed, of a transaction that is known to be open: its place is waited for longer than the test takes.
    await writer.query(`select nextval('presence.status_change_position'), pg_current_xact_id()`);
    await writeChanges(api, 136, 4, 1);
    try {
      const cursor = await lastGivenOut(api);
      expect(await current()).toBeLessThan(cursor);
      expect((await get(`history?after=${cursor}`)).status).toBe(200);
      const reader = await open('', { 'last-event-id': String(cursor) });
      await writer.query('rollback');
      await writeChanges(api, 136, 5, 1);
      await eventually('what comes after it', () => reader.events.length > 0);
      expect(reader.events.map(({ data }) => data['sequence'])).toEqual([5]);
    } finally {
      writer.release();
    }
  });
});

describe('the cursors of a log whose beginning is gone', () => {
  let api: ApiFixture;

  beforeAll(async () => {
    api = await ApiFixture.start();
    await api.addAgent(136); // 1
    await api.pool.query(`
      create table presence.status_change_old partition of presence.status_change
        for values from ('00000000-0000-0000-0000-000000000000') to (presence.uuid_v7_floor(now() - interval '35 days'))`);
    await writeChanges(api, 136, 1, 3, 40); // 2 to 4
    await api.addAgent(137); // 5
    await writeChanges(api, 136, 4, 2); // 6, 7
    await api.pool.query(`update presence.directory_change set changed_at = now() - interval '40 days' where position = 1`);
  });

  afterAll(() => api.stop());

  const status = async (after: number): Promise<number> =>
    (await api.api('demo', 'GET', `${PATH}/history?after=${after}`)).status;

  async function eventsAfter(cursor: number, count: number): Promise<unknown[]> {
    const reader = await openStream(api, { headers: { 'last-event-id': String(cursor) } });
    await eventually(`${count} events`, () => reader.events.length >= count);
    reader.close();
    return reader.events.map(({ id, event, data }) => [id, event === 'reset' ? data['reason'] : event]);
  }

  it('are good before that', async () => {
    for (const cursor of [1, 2, 4, 5]) expect(await status(cursor)).toBe(200);
  });

  it('are expired where something that came after them was dropped, and only there', async () => {
    await api.pool.query('drop table presence.status_change_old');
    await api.pool.query(`select presence.drop_directory_changes('30 days', 1)`);
    for (const cursor of [1, 2, 3]) expect(await status(cursor)).toBe(410);
    for (const cursor of [4, 5, 6, 7]) expect(await status(cursor)).toBe(200);
    expect(await status(0)).toBe(200);
    expect(await eventsAfter(3, 1)).toEqual([[7, 'expired_cursor']]);
    expect(await eventsAfter(4, 3)).toEqual([
      [5, 'agent'],
      [6, 'agent-status'],
      [7, 'agent-status'],
    ]);
    expect(await eventsAfter(0, 3)).toHaveLength(3);
  });

  it('are expired where an operator deleted changes', async () => {
    await api.pool.query('delete from presence.status_change where position <= 6');
    expect(await status(5)).toBe(410);
    expect(await status(6)).toBe(200);
  });

  it('are expired where nothing is left, but for the last', async () => {
    await api.pool.query('delete from presence.status_change');
    await api.pool.query('delete from presence.directory_change');
    expect([await status(6), await status(7), await status(8)]).toEqual([410, 200, 410]);
  });
});

describe('a database that goes back to an older copy', () => {
  it('is told to whoever is past it, and followed from there', async () => {
    const api = await ApiFixture.start();
    await api.addAgent(136);
    await writeChanges(api, 136, 1, 5);
    const reader = await openStream(api, { query: '?after=0' });
    await eventually('everything', () => reader.events.length >= 6);
    const writer = await api.pool.connect();
    await writer.query('begin');
    await writer.query('delete from presence.status_change where position > 3');
    await writer.query(`select setval('presence.status_change_position', 3)`);
    await writer.query('commit');
    writer.release();
    await eventually('the reset', () => reader.events.some(({ event }) => event === 'reset'));
    expect(reader.events.at(6)).toMatchObject({ event: 'reset', data: { reason: 'unknown_cursor' } });
    await writeChanges(api, 136, 3, 1);
    await eventually('what comes next', () => reader.events.at(-1)!.data['sequence'] === 3);
    reader.close();
    await api.stop();
  });
});
