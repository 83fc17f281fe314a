import fc from 'fast-check';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AGENT_STATUSES } from '#contracts';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/postgres.js';
import { Instance, NO_RELAY, report } from '../../test/support.js';
import { ContentionError, TelemetryService } from './telemetry.service.js';

interface LogRow {
  agent_id: number;
  agent_status: string;
  sequence: number;
}

describe('the telemetry service', () => {
  let database: TestDatabase;
  let instance: Instance;
  let service: TelemetryService;
  let nextAgent = 1000;

  beforeAll(async () => {
    database = await createTestDatabase();
    instance = await Instance.connect(database.url);
    service = instance.telemetry();
  });

  afterAll(async () => {
    await instance.close();
    await database.drop();
  });

  const NOW = Date.now();
  const at = (ms: number): object => ({ occurred_at: new Date(NOW + ms).toISOString() });

  async function logOf(agentId: number): Promise<Record<string, unknown>[]> {
    const { rows } = await instance.pool.query<Record<string, unknown>>(
      `select l.*, o.shard from presence.status_change l left join presence.outbox o on o.change_id = l.id
       where agent_id = $1 order by l.position`,
      [agentId],
    );
    return rows;
  }

  it('answers one result an item, in order, and one bad item spoils nothing', async () => {
    const results = await service.apply(
      [
        report(136, 'available', at(0)),
        report(136, 'available', at(1)),
        { ...report(136, 'available'), agent_status: 'away' },
        report(136, 'logged_out', at(-1)),
        report(136, 'logged_out', at(2)),
        report(137, 'logged_out'),
        { ...report(138, 'available'), extension_name: undefined },
        report(136, 'available', { agent_type: 'remote', agent_number: '+7' }),
        null,
      ],
      NOW,
    );
    expect(results).toEqual([
      { result: 'changed', sequence: 1 },
      { result: 'unchanged', sequence: 1 },
      { result: 'rejected', errors: { agent_status: ['must be one of: available, logged_out'] } },
      { result: 'stale', sequence: 1 },
      { result: 'changed', sequence: 2 },
      { result: 'unchanged', sequence: 0 },
      { result: 'rejected', errors: { extension_name: ['is required the first time an agent is seen'] } },
      { result: 'rejected', errors: { agent_type: ['this agent is local'] } },
      { result: 'rejected', errors: { item: ['must be a JSON object'] } },
    ]);
    expect(await logOf(136)).toMatchObject([
      {
        client_id: 12,
        agent_type: 'local',
        name: '000*136',
        agent_status: 'available',
        event_source: 'api',
        sequence: 1,
        occurred_at: new Date(NOW),
        shard: expect.any(Number) as number,
      },
      { agent_status: 'logged_out', sequence: 2, occurred_at: new Date(NOW + 2), shard: expect.any(Number) as number },
    ]);
    const known = await instance.pool.query('select agent_id, sequence from presence.agent where client_id = 12 order by 1');
    expect(known.rows).toEqual([
      { agent_id: 136, sequence: 2 },
      { agent_id: 137, sequence: 0 },
    ]);
    expect((await instance.pool.query('select client_id from presence.client')).rows).toEqual([{ client_id: 12 }]);
  });

  it('writes nothing at all for what changes nothing', async () => {
    // One connection: its own counters then tell everything that was written for it.
    const alone = await Instance.connect(database.url, 1);
    try {
      const repeats = alone.telemetry();
      await repeats.apply([report(200, 'available', at(0)), report(201, 'logged_out', at(0))], NOW);
      const written = async (): Promise<unknown> => {
        await alone.pool.query('select pg_stat_force_next_flush()');
        const { rows } = await alone.pool.query(
          'select sum(n_tup_ins + n_tup_upd + n_tup_del)::integer as count from pg_stat_user_tables',
        );
        return rows[0];
      };
      const before = await written();
      const items = [
        report(200, 'available', at(0)),
        report(200, 'available', at(9)),
        report(200, 'logged_out', at(-5)),
        report(201, 'logged_out', at(3)),
        report(201, 'available', { agent_type: 'remote' }),
      ];
      const results = (await repeats.apply(items, NOW)).map(({ result }) => result);
      expect(results).toEqual(['unchanged', 'unchanged', 'stale', 'unchanged', 'rejected']);
      expect(await written()).toEqual(before);
      await repeats.apply([report(201, 'available', at(9))], NOW);
      expect(await written()).not.toEqual(before); // the counters do count
    } finally {
      await alone.close();
    }
  });

  it('takes a changed name over without a change', async () => {
    await service.apply([report(210, 'available', at(0))], NOW);
    expect(await service.apply([report(210, 'available', { extension_name: 'new', ...at(1) })], NOW)).toEqual([
      { result: 'unchanged', sequence: 1 },
    ]);
    const { rows } = await instance.pool.query('select name, sequence from presence.agent where agent_id = 210');
    expect(rows).toEqual([{ name: 'new', sequence: 1 }]);
    expect(await logOf(210)).toMatchObject([{ name: '000*210' }]);
  });

  it('brings back an agent that was removed, where its sequence ended', async () => {
    await service.apply([report(220, 'available', at(-1000))], NOW);
    await instance.pool.query(`select presence.remove_agent(12, 'local', 220, $1)`, [uuidv7()]);
    const back = report(220, 'available', {
      agent_type: 'remote',
      extension_name: undefined,
      agent_number: '+7000',
      ...at(60_000),
    });
    expect(await service.apply([back], NOW)).toEqual([{ result: 'changed', sequence: 3 }]);
    const { rows } = await instance.pool.query('select agent_type, name, deleted_at from presence.agent where agent_id = 220');
    expect(rows).toEqual([{ agent_type: 'remote', name: '+7000', deleted_at: null }]);
  });

  it('makes a client known again that was removed, whose agents report again', async () => {
    const ofClient = { client_id: '77' };
    await service.apply([report(230, 'available', { ...ofClient, ...at(-1000) })], NOW);
    await instance.pool.query(`select presence.remove_agent(77, 'local', 230, $1)`, [uuidv7()]);
    await instance.pool.query('delete from presence.client where client_id = 77'); // as the removal of the client ends
    const back = report(230, 'available', { ...ofClient, ...at(60_000) });
    expect(await service.apply([back], NOW)).toEqual([{ result: 'changed', sequence: 3 }]);
    const { rowCount } = await instance.pool.query('select from presence.client where client_id = 77');
    expect(rowCount).toBe(1);
  });

  it('compares times to the millisecond, far back and up to the limit ahead', async () => {
    const times = ['0001-01-01T00:00:00.001Z', '1969-12-31T23:59:59.999Z', '2026-01-01T00:00:00.123Z'];
    for (const time of times) {
      const agentId = nextAgent++;
      await service.apply([report(agentId, 'available', { occurred_at: time })], NOW);
      const justBefore = new Date(Date.parse(time) - 1).toISOString();
      expect(await service.apply([report(agentId, 'logged_out', { occurred_at: justBefore })], NOW)).toMatchObject([
        { result: 'stale' },
      ]);
      expect(await service.apply([report(agentId, 'logged_out', { occurred_at: time })], NOW)).toMatchObject([
        { result: 'changed' },
      ]);
    }
  });

  it('loses nothing to concurrent writers on two instances: no gap, alternating, each change told once', async () => {
    const other = await Instance.connect(database.url);
    const services = [service, instance.telemetry(), other.telemetry()];
    const agents = Array.from({ length: 6 }, () => nextAgent++);
    const item = fc
      .record({
        agent: fc.constantFrom(...agents),
        status: fc.constantFrom(...AGENT_STATUSES),
        age: fc.integer({ min: 0, max: 5 }),
      })
      .map(({ agent, status, age }) => report(agent, status, at(-age)));
    const requests = fc.array(fc.tuple(fc.nat(2), fc.array(item, { minLength: 1, maxLength: 12 })), {
      minLength: 10,
      maxLength: 30,
    });
    const told = new Map<string, number>();
    try {
      await fc.assert(
        fc.asyncProperty(requests, async (batches) => {
          await Promise.all(
            batches.map(async ([which, items]) => {
              const results = await services[which]!.apply(items, NOW);
              results.forEach((result, index) => {
                if (result.result !== 'changed') return;
                const change = `${String(items[index]!['agent_id'])}:${result.sequence}`;
                told.set(change, (told.get(change) ?? 0) + 1);
              });
            }),
          );
        }),
        { numRuns: 25 },
      );
      const { rows } = await instance.pool.query<LogRow>(
        'select agent_id, agent_status, sequence from presence.status_change where agent_id = any ($1) order by agent_id, position',
        [agents],
      );
      expect(rows.length).toBeGreaterThan(agents.length);
      for (const agent of agents) {
        const log = rows.filter((row) => row.agent_id === agent);
        expect(log.map(({ sequence }) => sequence)).toEqual(log.map((_, index) => index + 1));
        expect(log.map((row) => row.agent_status)).toEqual(log.map((_, index) => (index % 2 ? 'logged_out' : 'available')));
      }
      expect([...told.keys()].sort()).toEqual(rows.map((row) => `${row.agent_id}:${row.sequence}`).sort());
      expect([...told.values()].every((count) => count === 1)).toBe(true);
      const { rows: lost } = await instance.pool.query(
        'select l.id from presence.status_change l left join presence.outbox o on o.change_id = l.id where o.change_id is null and agent_id = any ($1)',
        [agents],
      );
      expect(lost).toEqual([]);
    } finally {
      await other.close();
    }
  });

  it('enters the same new agents of new clients from many sides at once, in any order, without a deadlock', async () => {
    const other = await Instance.connect(database.url);
    try {
      const services = [service, other.telemetry(), instance.telemetry(), other.telemetry()];
      for (let round = 0; round < 10; round++) {
        const items = Array.from({ length: 60 }, (_, n) => report(n, 'available', { client_id: 5000 + round * 10 + (n % 7) }));
        const answers = await Promise.all(services.map((each, side) => each.apply(side % 2 ? [...items].reverse() : items, NOW)));
        const changed = answers.flat().filter(({ result }) => result === 'changed');
        expect(changed).toHaveLength(items.length);
      }
    } finally {
      await other.close();
    }
  });

  /** The service, where somebody else's statement always comes between the read and the write. */
  const overtaken = (by: () => Promise<unknown>): TelemetryService =>
    instance.telemetry(NO_RELAY, (statement) => statement.startsWith('compare_and_set') && by());

  const rename = (agentId: number, name: string): Promise<unknown> =>
    instance.pool.query('select presence.put_agent(12, $1, $2, $3)', ['local', agentId, name]);

  it('decides from what it remembers, and never drops a change that another process has made a change again', async () => {
    const other = await Instance.connect(database.url);
    const agentId = nextAgent++;
    const names: string[] = [];
    const one = instance.telemetry(NO_RELAY, (statement) => names.push(statement));
    const two = other.telemetry();
    const tell = async (whom: TelemetryService, status: 'available' | 'logged_out', ms: number) =>
      (await whom.apply([report(agentId, status, at(ms))], NOW))[0];
    try {
      expect(await tell(one, 'available', 1)).toEqual({ result: 'changed', sequence: 1 });
      expect(await tell(one, 'logged_out', 2)).toEqual({ result: 'changed', sequence: 2 });
      expect(await tell(one, 'logged_out', 3)).toEqual({ result: 'unchanged', sequence: 2 });
      expect(names).toEqual([
        ...['read_states', 'compare_and_set'], // never heard of
        'compare_and_set_usual',
        ...['read_recent_writes', 'read_states'], // the first look: nobody knows who else has written
      ]);
      names.length = 0;
      // It remembers "logged out": what looks like a repeat to it is a change by now, ...
      expect(await tell(two, 'available', 4)).toEqual({ result: 'changed', sequence: 3 });
      expect(await tell(one, 'logged_out', 5)).toEqual({ result: 'changed', sequence: 4 });
      // ... what looks like a change is a repeat, ...
      expect(await tell(two, 'available', 6)).toEqual({ result: 'changed', sequence: 5 });
      expect(await tell(one, 'available', 7)).toEqual({ result: 'unchanged', sequence: 5 });
      // ... what looks like the next change is stale, ...
      expect(await tell(one, 'logged_out', 8)).toEqual({ result: 'changed', sequence: 6 });
      expect(await tell(two, 'available', 20)).toEqual({ result: 'changed', sequence: 7 });
      expect(await tell(two, 'logged_out', 21)).toEqual({ result: 'changed', sequence: 8 });
      expect(await tell(one, 'available', 10)).toEqual({ result: 'stale', sequence: 8 });
      // ... or a change after all, only a later one.
      expect(await tell(one, 'available', 22)).toEqual({ result: 'changed', sequence: 9 });
      expect(await logOf(agentId)).toHaveLength(9);
    } finally {
      await other.close();
    }
  });

  it("takes notice of the directory's writes between its own read and write", async () => {
    const agentId = nextAgent++;
    await service.apply([report(agentId, 'logged_out', at(0))], NOW);
    const late = overtaken(() => rename(agentId, 'renamed'));
    const item = report(agentId, 'available', { extension_name: undefined, ...at(1) });
    expect(await late.apply([item], NOW)).toEqual([{ result: 'changed', sequence: 1 }]);
    expect(await logOf(agentId)).toMatchObject([{ name: 'renamed', agent_status: 'available' }]);
  });

  it('gives up on an agent that others write without end, and has written nothing of it', async () => {
    const agentId = nextAgent++;
    await service.apply([report(agentId, 'logged_out', at(0))], NOW);
    let round = 0;
    const late = overtaken(() => rename(agentId, `name ${++round}`));
    await expect(late.apply([report(agentId, 'available', at(1))], NOW)).rejects.toThrow(ContentionError);
    expect(await logOf(agentId)).toEqual([]);
  });

  it('fails as a whole while the database is away, and takes the same items afterwards', async () => {
    const agentId = nextAgent++;
    const cut = await Instance.connect(database.url);
    await cut.close();
    await expect(cut.telemetry().apply([report(agentId, 'available')], NOW)).rejects.toThrow();
    expect(await service.apply([report(agentId, 'available')], NOW)).toEqual([{ result: 'changed', sequence: 1 }]);
  });
});
