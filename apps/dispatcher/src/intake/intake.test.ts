import { Registry } from 'prom-client';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createDataSource, createSealer, poolOf, type Pool } from '#database';
import { AddressGuard } from '#webhook';
import { CLIENT, useDispatcherWorld, type DispatcherWorld } from '../../../../test/support/dispatcher-world.js';
import { eventually } from '../../../../test/support/poll.js';
import type { RecordingReceiver } from '../../../../test/support/receiver.js';
import { DEFAULT_BUDGETS } from '../attempt/attempts.js';
import { Dispatch } from '../dispatch.js';
import { hashOf } from '../lanes/agent-work.js';
import { shardBase } from '../lanes/shard-lease.repository.js';
import { DispatcherMetrics } from '../metrics.js';
import { LogSweep, type LogSweepOptions } from './log-sweep.js';

/** Generous: an attempt that times out on a busy machine would be made again. */
const PATIENT = { DELIVERY_TIMEOUT: 20_000 };
const SOON = { everyMs: 100, settleMs: 300 };

describe('intake from a topic that is not whole', () => {
  let world: DispatcherWorld;
  let receiver: RecordingReceiver;
  useDispatcherWorld((...given) => ([world, receiver] = given));

  beforeEach(async () => {
    await world.subscribe(null, `${receiver.url}/x`, 'agent-login');
    await world.subscribe(null, `${receiver.url}/x`, 'agent-logout');
  });

  const sequences = () => receiver.requests.map(({ headers }) => Number(headers['webhook-sequence']));
  const arrived = (count: number) => eventually(`${count} notifications`, () => receiver.requests.length >= count);
  const drained = () => world.drained();

  it.each([
    ['come late', [1, 3, 2]],
    ['come backwards', [5, 4, 3, 2, 1]],
    ['are missing', [1, 4]],
    ['are missing but for the last', [6]],
    ['come twice and late', [2, 1, 2, 4, 4, 3]],
  ])('takes changes from the log that %s: %j', async (_what, order) => {
    await world.start(PATIENT);
    const newest = Math.max(...order);
    const changes = [];
    for (let sequence = 1; sequence <= newest; sequence++) changes.push(await world.log(136));
    for (const sequence of order) await world.publish(changes[sequence - 1]!);
    await arrived(newest);
    await drained();
    expect(sequences()).toEqual(changes.map(({ sequence }) => sequence));
  });

  it('fills what many agents lack in one batch, each agent in order', async () => {
    await world.start(PATIENT);
    const logouts = [];
    for (let agent = 1; agent <= 200; agent++) {
      await world.log(agent);
      logouts.push(await world.log(agent));
    }
    await world.publish(...logouts);
    await arrived(400);
    await drained();
    const byAgent = new Map<string, number[]>();
    for (const { body, headers } of receiver.requests) {
      const agent = new URLSearchParams(body).get('agent_id')!;
      byAgent.set(agent, [...(byAgent.get(agent) ?? []), Number(headers['webhook-sequence'])]);
    }
    expect([...byAgent.values()]).toEqual(Array(200).fill([1, 2]));
  });

  it('finds a change whose record never came, without a later one', async () => {
    await world.log(136); // before the start: as after an outage
    await world.start(PATIENT, { sweep: SOON });
    await arrived(1);
    await world.log(136);
    await world.log(137);
    await arrived(3);
    await drained();
    expect(sequences()).toHaveLength(3);
    expect(sequences().filter((sequence) => sequence === 2)).toHaveLength(1);
  });

  it('goes on behind more positions without a change than it looks at in one step', async () => {
    await world.start(PATIENT, { sweep: SOON });
    for (const given of [5_001, 2_000_000]) {
      // By the directory, or by statements that came to nothing.
      await world.pool.query(`select setval('presence.status_change_position', $1)`, [given]);
      await world.log(136);
    }
    await arrived(2);
    await drained();
    expect(sequences()).toEqual([1, 2]);
  });

  it('passes over what a restore has undone in one step', async () => {
    await world.start(PATIENT, { sweep: SOON });
    await world.log(136);
    await arrived(1);
    await world.pool.query(`
      with lifted as (
        insert into presence.restore (after_position, until_position)
        select last_value, (date_part('epoch', now()) * 1000000)::bigint from presence.status_change_position returning until_position)
      select setval('presence.status_change_position', until_position) from lifted`);
    await world.log(136);
    await arrived(2);
    await drained();
    const compared = `select bool_and(w.position > r.until_position) as done from dispatch.shard_sweep w, presence.restore r`;
    await eventually(
      'the comparison is beyond it',
      async () => (await world.pool.query<{ done: boolean }>(compared)).rows[0]!.done,
    );
    expect(sequences()).toEqual([1, 2]);
  });

  describe('compares the log with the cursors', () => {
    let pool: Pool;
    let close: () => Promise<void>;

    beforeEach(async () => {
      const dataSource = createDataSource({ url: world.database.url, applicationName: 'test', poolSize: 1 });
      await dataSource.initialize();
      pool = poolOf(dataSource);
      close = () => dataSource.destroy();
    });

    afterEach(() => close());

    /** Of an instance that has one shard of so many. */
    const newSweep = (shard: number, base: number, plan: LogSweepOptions['intake']['plan'], aheadMs = 60_000): LogSweep => {
      const holds = (hash: number): boolean => hash % base === shard;
      const leases = { base, held: [{ shard, epoch: 1, until: Infinity, ending: false }], holds };
      const metrics = new DispatcherMetrics(new Registry());
      return new LogSweep({
        ...{ pool, leases, intake: { plan }, windowMs: 60_000, settleMs: 0, aheadMs, metrics, logger: world.logger },
      });
    };
    const AGENTS = Array.from({ length: 8 }, (_, nth) => nth + 1);
    /** Of two shards the second. */
    const inTheOther = AGENTS.find((agentId) => hashOf({ clientId: CLIENT, agentId }) % 2 === 1)!;
    const positions = async (): Promise<number[]> => {
      const { rows } = await pool.query<{ position: number }>('select position from dispatch.shard_sweep order by shard');
      return rows.map(({ position }) => position);
    };

    it('and ends between two steps when it is stopped', async () => {
      await world.log(136);
      await pool.query(`select setval('presence.status_change_position', 20000)`);
      await shardBase(pool, 1);
      const sweep: LogSweep = newSweep(0, 1, () => Promise.resolve({ recorded: Promise.resolve(sweep.stop()), passedOver: [] }));
      await sweep.sweep();
      expect(await positions()).toEqual([5000]);
    });

    it('once, however many instances there are: one goes ahead, and the others look at what that leaves', async () => {
      await shardBase(pool, 2);
      for (const agent of AGENTS) await world.log(agent);
      await pool.query(
        'insert into dispatch.agent_cursor (client_id, agent_id, last_sequence) select $1, unnest($2::bigint[]), 1',
        [CLIENT, AGENTS.filter((agent) => agent !== inTheOther)],
      );
      const planned: number[] = [];
      const plan: LogSweepOptions['intake']['plan'] = async (changes) => {
        planned.push(...changes.map(({ agentId }) => agentId));
        await pool.query('insert into dispatch.agent_cursor (client_id, agent_id, last_sequence) values ($1, $2, 1)', [
          CLIENT,
          inTheOther,
        ]);
        return { recorded: Promise.resolve(), passedOver: [] };
      };
      const ahead = newSweep(0, 2, plan);
      const other = newSweep(1, 2, plan);
      await ahead.sweep();
      expect([await positions(), planned]).toEqual([[8, 0], []]);
      await other.sweep();
      expect([await positions(), planned]).toEqual([[8, 8], [inTheOther]]);

      await pool.query('update dispatch.agent_cursor set last_sequence = 2');
      for (const agent of AGENTS) await world.log(agent);
      await ahead.sweep();
      expect(await positions()).toEqual([16, 16]);
      const statements = vi.spyOn(pool, 'query');
      await world.log(inTheOther); // not settled for the other
      await other.sweep();
      const names = statements.mock.calls.map(([query]) => (query as unknown as { readonly name?: string }).name);
      statements.mockRestore();
      expect(names).not.toContain('dispatch_read_unplanned_between');
    });

    it('each by itself where the one that goes ahead is late', async () => {
      await shardBase(pool, 2);
      await world.log(inTheOther);
      const plan = vi.fn<LogSweepOptions['intake']['plan']>(() =>
        Promise.resolve({ recorded: Promise.resolve(), passedOver: [] }),
      );
      await newSweep(1, 2, plan).sweep();
      expect([await positions(), plan.mock.calls.length]).toEqual([[0, 0], 0]);
      await newSweep(1, 2, plan, 0).sweep();
      expect([await positions(), plan.mock.calls.length]).toEqual([[0, 1], 1]);
    });

    it('and notes nothing where there is another number of shards by the time', async () => {
      await shardBase(pool, 2);
      await world.log(1);
      await world.log(2);
      const sweep = newSweep(0, 2, async () => {
        await shardBase(pool, 3);
        return { recorded: Promise.resolve(), passedOver: [] };
      });
      await sweep.sweep();
      expect(await positions()).toEqual([0, 0, 0]);
    });
  });

  /** A dispatcher without a bus. */
  const newDispatch = (): Dispatch =>
    new Dispatch({
      ...{ pool: world.pool, logger: world.logger },
      guard: new AddressGuard(['127.0.0.0/8'], [{ from: 1, to: 65_535 }]),
      sealer: createSealer(undefined),
      ...{ timeoutMs: 20_000, leaseMs: 60_000, windowMs: 60_000, retentionMs: 86_400_000, schedule: [100] },
      budgets: DEFAULT_BUDGETS,
      metrics: new DispatcherMetrics(new Registry()),
    });

  it('plans by one statement what several partitions bring at the same moment', async () => {
    const dispatch = newDispatch();
    try {
      await dispatch.leases.assign([0], 1);
      await dispatch.leases.ready(0, AbortSignal.timeout(60_000));
      const changes = [await world.log(1), await world.log(2), await world.log(3)];
      const statements = vi.spyOn(world.pool, 'query');
      const planned = await Promise.all(changes.map((change) => dispatch.intake.plan([change])));
      const texts = statements.mock.calls.map(([query]) => (query as unknown as { readonly text?: string }).text);
      statements.mockRestore();
      await Promise.all(planned.map(({ recorded }) => recorded));
      expect(texts.filter((text) => text?.includes('dispatch.changes('))).toHaveLength(1);
      expect(planned.flatMap(({ passedOver }) => passedOver)).toEqual([]);
    } finally {
      await dispatch.stop();
    }
  });

  it('leaves what was being planned when its shard was given up to whoever has that next', async () => {
    const { pool } = world;
    const dispatch = newDispatch();
    const other = await pool.connect();
    try {
      await dispatch.leases.assign([0], 1);
      await dispatch.leases.ready(0, AbortSignal.timeout(60_000));
      const change = await world.log(136);
      await other.query('begin');
      await other.query('lock table subscription.client_event_start in access exclusive mode');
      const planning = dispatch.intake.plan([change]);
      await eventually('the plan to be read', async () => {
        const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%dispatch.changes(%'`;
        return (await pool.query(waiting)).rowCount === 1;
      });
      await dispatch.leases.revoke();
      await other.query('commit');
      const { recorded } = await planning;
      await expect(recorded).rejects.toThrow('is not this instance');
      expect(receiver.requests).toHaveLength(0);
    } finally {
      other.release();
      await dispatch.stop();
    }
  });

  it('finds it by two instances side by side, and notifies it once', async () => {
    await world.start(PATIENT, { sweep: SOON });
    await world.start(PATIENT, { sweep: SOON });
    for (let agent = 1; agent <= 50; agent++) await world.log(agent);
    await arrived(50);
    await drained();
    expect(new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(50);
    expect(receiver.requests).toHaveLength(50);
  });

  it.each([
    ['together', [[1, 2, 3]]],
    ['one by one', [[1], [2], [3]]],
  ])('sends nothing again that was recorded ahead of the cursor, where the changes come %s', async (_what, batches) => {
    const changes = [await world.log(136), await world.log(136), await world.log(136)];
    // As whoever had the shard before has left it: the second was delivered, the first was not sent.
    await world.pool.query(
      'insert into dispatch.agent_cursor (client_id, agent_id, last_sequence, ahead) values ($1, 136, 0, true)',
      [CLIENT],
    );
    await world.pool.query(
      `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome, http_status)
       select id, $1, 1, now(), 5, 'delivered', 200 from subscription.agent_event where event_type = 'agent-logout'`,
      [changes[1]!.id],
    );
    await world.start(PATIENT);
    for (const batch of batches) await world.publish(...batch.map((sequence) => changes[sequence - 1]!));
    await drained();
    expect(sequences()).toEqual([1, 3]);
    const { rows } = await world.pool.query('select last_sequence::int as last, ahead from dispatch.agent_cursor');
    expect(rows).toEqual([{ last: 3, ahead: false }]);
  });

  it('passes over records that the log does not have, as after it was restored, and notifies what it has instead', async () => {
    const before = [await world.log(136), await world.log(136)];
    // Restored to before them: the sequences were given out again, and the offsets are behind records of what never was.
    for (const { id } of before) {
      await world.pool.query('update presence.status_change set id = $2 where id = $1', [id, uuidv7()]);
    }
    await world.start(PATIENT, { sweep: SOON });
    await world.publish(...before);
    const after = await world.change(137);
    await arrived(3);
    await drained();
    const ids = receiver.requests.map(({ headers }) => String(headers['webhook-id']).split('_')[0]);
    expect(ids).toContain(after.id);
    expect(ids).toHaveLength(3);
    for (const { id } of before) expect(ids).not.toContain(id);
    expect(sequences().filter((sequence) => sequence === 2)).toHaveLength(1);
  });

  it('notifies nothing that is older than the window, and goes on behind it', async () => {
    await world.start({ ...PATIENT, DELIVERY_WINDOW: 60_000 }, { sweep: SOON });
    for (let i = 0; i < 3; i++) await world.log(136, { changedAt: Date.now() - 120_000 });
    await world.change(136);
    await arrived(1);
    await drained();
    await world.change(136);
    await arrived(2);
    await drained();
    expect(sequences()).toEqual([4, 5]);
  });
});
