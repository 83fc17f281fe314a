import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { uuidv7 } from 'uuidv7';
import { InProcessBroker, type BusBatch } from '#bus';
import { STATUS_CHANGED_TOPIC, traceparentOf } from '#contracts';
import { NotificationListener } from '#database';
import { eventually } from '../../../../test/support/poll.js';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/postgres.js';
import { Instance, RecordingTopic, report, SILENT } from '../../test/support.js';
import { SHARDS, type LeaseTimes } from './relay-leases.js';

describe('the outbox relay', () => {
  let database: TestDatabase;
  let writer: Instance;
  let topic: RecordingTopic;
  let cleanups: (() => Promise<void>)[];

  beforeEach(async () => {
    database = await createTestDatabase();
    cleanups = [() => database.drop()];
    writer = await connect();
    topic = new RecordingTopic();
  });

  afterEach(async () => {
    for (let clean = cleanups.pop(); clean; clean = cleanups.pop()) await clean();
  });

  async function connect(): Promise<Instance> {
    const instance = await Instance.connect(database.url);
    cleanups.push(() => instance.close());
    return instance;
  }

  /** A relay in a process of its own, as far as connections go. */
  async function startRelay(leaseTimes?: LeaseTimes) {
    const instance = await connect();
    const relay = instance.relay(topic, leaseTimes);
    relay.start();
    cleanups.push(() => relay.stop());
    return { instance, relay };
  }

  const outboxIsEmpty = async (): Promise<boolean> =>
    (await writer.pool.query('select 1 from presence.outbox limit 1')).rowCount === 0;

  /** Each agent alternates `changes` times; every round is a request of its own. */
  async function alternate(agents: readonly number[], changes: number): Promise<void> {
    const telemetry = writer.telemetry();
    for (let n = 0; n < changes; n++) {
      await telemetry.apply(
        agents.map((agent) => report(agent, n % 2 ? 'logged_out' : 'available')),
        Date.now(),
      );
    }
  }

  function expectEveryChangeInOrder(agents: readonly number[], changes: number): void {
    const published = topic.changesByAgent();
    expect([...published.keys()].sort()).toEqual(agents.map((agent) => `12:${agent}`).sort());
    const expected = Array.from({ length: changes }, (_, index) => index + 1);
    for (const { sequences } of published.values()) expect(sequences).toEqual(expected);
  }

  it('publishes what a process wrote before it was killed', async () => {
    await alternate([136], 3);
    await startRelay();
    await eventually('an empty outbox', outboxIsEmpty);
    expectEveryChangeInOrder([136], 3);
    const { rows } = await writer.pool.query<{ id: string; changed_at: Date }>(
      'select id, changed_at from presence.status_change order by position',
    );
    expect(topic.records.map(({ headers }) => headers!['ce_id'])).toEqual(rows.map(({ id }) => id));
    const first = topic.records[0]!;
    expect(first.key).toBe('12:136');
    expect(first.headers).toMatchObject({ traceparent: traceparentOf(rows[0]!.id), ce_time: rows[0]!.changed_at.toISOString() });
    expect(first.headers!['traceparent']).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01$/);
    expect(JSON.parse(String(first.value))).toMatchObject({
      sequence: 1,
      previous_status: 'logged_out',
      extension_name: '000*136',
    });
  });

  it('goes on from the trace that a report was part of, which stands with the change', async () => {
    const caller = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const telemetry = writer.telemetry();
    await telemetry.apply([report(136, 'available')], Date.now(), caller);
    await telemetry.apply([report(136, 'logged_out')], Date.now(), 'nonsense');
    const { rows } = await writer.pool.query<{ id: string; traceparent: string | null }>(
      'select id, traceparent from presence.status_change order by position',
    );
    expect(rows.map(({ traceparent }) => traceparent)).toEqual([caller, null]);
    await startRelay();
    await eventually('an empty outbox', outboxIsEmpty);
    expect(topic.records.map(({ headers }) => headers!['traceparent'])).toEqual([caller, traceparentOf(rows[1]!.id)]);
  });

  it('keeps order and leaves no gap while the broker fails half-way', async () => {
    const agents = Array.from({ length: 30 }, (_, n) => n);
    topic.refusals = 4;
    await startRelay();
    await alternate(agents, 6);
    await eventually('an empty outbox', outboxIsEmpty);
    expect(topic.refusals).toBe(0);
    expectEveryChangeInOrder(agents, 6);
  });

  it('shares the shards fairly, and gives them back when it stops', async () => {
    const first = await startRelay();
    await eventually('all shards', () => first.relay.ownShards().length === SHARDS);
    const second = await startRelay();
    await eventually('half of them each', () => first.relay.ownShards().length === 8 && second.relay.ownShards().length === 8);
    expect([...first.relay.ownShards(), ...second.relay.ownShards()].sort((a, b) => a - b)).toEqual(
      Array.from({ length: SHARDS }, (_, shard) => shard),
    );
    await second.relay.stop();
    expect((await writer.pool.query('select 1 from presence.relay_instance')).rowCount).toBe(1);
    await eventually('all shards again', () => first.relay.ownShards().length === SHARDS);
  });

  it('hands shards over as instances come and go in order, without a renewal of leases being waited for', async () => {
    const never = { leaseMs: 3_600_000, renewMs: 1_000_000 };
    const agents = Array.from({ length: 40 }, (_, n) => n);
    const first = await startRelay(never);
    await eventually('all shards', () => first.relay.ownShards().length === SHARDS);
    const second = await startRelay(never);
    await eventually('half of them each', () => first.relay.ownShards().length === 8 && second.relay.ownShards().length === 8);
    const third = await startRelay(never);
    await eventually('a third of them', () => third.relay.ownShards().length >= 4 && first.relay.ownShards().length === 6);
    await alternate(agents, 2);
    await first.relay.stop();
    await eventually('half of them each', () => second.relay.ownShards().length === 8 && third.relay.ownShards().length === 8);
    await second.relay.stop();
    await eventually('all shards', () => third.relay.ownShards().length === SHARDS);
    await eventually('an empty outbox', outboxIsEmpty);
    expectEveryChangeInOrder(agents, 2);
  });

  it('has another instance take over from a killed one, with nothing missing and nothing out of order', async () => {
    const agents = Array.from({ length: 40 }, (_, n) => n);
    const killed = await startRelay();
    const survivor = await startRelay();
    await eventually('shares', () => killed.relay.ownShards().length === 8 && survivor.relay.ownShards().length === 8);
    const writing = alternate(agents, 20);
    await eventually('the first records', () => topic.records.length > 100);
    killed.instance.kill();
    await writing;
    await eventually('the takeover', () => survivor.relay.ownShards().length === SHARDS);
    await eventually('an empty outbox', outboxIsEmpty);
    expect(killed.relay.ownShards()).toEqual([]);
    expectEveryChangeInOrder(agents, 20);
  });

  it('publishes what its own process writes without reading it back', async () => {
    const { instance, relay } = await startRelay();
    await eventually('all shards', () => relay.ownShards().length === SHARDS);
    const query = vi.spyOn(instance.pool, 'query');
    const telemetry = instance.telemetry(relay);
    const rounds = 100;
    for (let n = 0; n < rounds; n++) {
      await telemetry.apply([report(136, n % 2 ? 'logged_out' : 'available')], Date.now());
      await eventually('its record', () => topic.records.length === n + 1);
    }
    const reads = query.mock.calls.filter(([config]) => (config as { name?: string }).name === 'presence_advance_outbox').length;
    expect(reads).toBeLessThan(rounds / 2); // those of every half second, however slow the machine
    await eventually('an empty outbox', outboxIsEmpty);
    expectEveryChangeInOrder([136], rounds);
    expect(topic.records).toHaveLength(rounds);
    const { rows } = await writer.pool.query<{ changed_at: Date; occurred_at: Date }>(
      'select changed_at, occurred_at from presence.status_change order by position',
    );
    expect(topic.records.map(({ value }) => JSON.parse(String(value)) as object)).toMatchObject(
      rows.map(({ changed_at, occurred_at }) => ({
        changed_at: changed_at.toISOString(),
        occurred_at: occurred_at.toISOString(),
      })),
    );
  });

  it('keeps order where two processes write the same agents in turn, each with a relay, and the broker fails half-way', async () => {
    const agents = Array.from({ length: 20 }, (_, n) => n);
    const sides = [await startRelay(), await startRelay()];
    await eventually('shares', () => sides.every(({ relay }) => relay.ownShards().length === 8));
    const services = sides.map(({ instance, relay }) => instance.telemetry(relay));
    for (let n = 0; n < 30; n++) {
      if (n % 10 === 5) topic.refusals = 2;
      const items = agents.map((agent) => report(agent, n % 2 ? 'logged_out' : 'available'));
      // Each change through the process that did not write the one before, or did, in turn.
      await services[(n >> 1) % 2]!.apply(items, Date.now());
    }
    await eventually('an empty outbox', outboxIsEmpty);
    expectEveryChangeInOrder(agents, 30);
  });

  it('sends the next change when one is accepted, once, and keeps its row until it is durable', async () => {
    const broker = new InProcessBroker({ consumed: [STATUS_CHANGED_TOPIC] });
    cleanups.push(() => Promise.resolve(broker.close()));
    const taken: number[] = [];
    const finish: (() => void)[] = [];
    const strategy = broker.bus().strategy({ groupId: 'reader', maxBatchRecords: 1 });
    const handle = async (batch: BusBatch): Promise<void> => {
      taken.push((JSON.parse(String(batch.records[0]!.value)) as { sequence: number }).sequence);
      batch.taken();
      await new Promise<void>((resolve) => finish.push(resolve));
    };
    strategy.addHandler(STATUS_CHANGED_TOPIC, handle, true);
    strategy.listen(() => undefined);
    cleanups.push(() => Promise.resolve(strategy.close()));
    const instance = await connect();
    const relay = instance.relay({ producer: () => broker.bus().producer() });
    relay.start();
    cleanups.push(() => relay.stop());
    const query = vi.spyOn(instance.pool, 'query');
    const reads = () => query.mock.calls.filter(([config]) => (config as { name?: string }).name === 'presence_advance_outbox');
    const telemetry = writer.telemetry();
    for (let sequence = 1; sequence <= 3; sequence++) {
      await telemetry.apply([report(136, sequence % 2 ? 'available' : 'logged_out')], Date.now());
      await eventually('its record', () => taken.length === sequence); // so that each is sent by itself
    }
    const before = reads().length;
    await eventually('a look at the table', () => reads().length > before + 1);
    expect((await writer.pool.query('select 1 from presence.outbox')).rowCount).toBe(3);
    finish[1]!();
    await eventually('the second deleted', async () => {
      const { rows } = await writer.pool.query(
        'select sequence from presence.outbox join presence.status_change on id = change_id',
      );
      return rows.length === 2 && rows.every(({ sequence }) => sequence !== 2);
    });
    finish[0]!();
    finish[2]!();
    await eventually('an empty outbox', outboxIsEmpty);
    expect(taken).toEqual([1, 2, 3]);
  });

  it('goes on with the rest where the log no longer holds a change', async () => {
    await writer.pool.query('insert into presence.outbox (position, shard, change_id) values (0, 0, $1)', [uuidv7()]);
    await alternate([136], 1);
    await startRelay();
    await eventually('an empty outbox', outboxIsEmpty);
    expectEveryChangeInOrder([136], 1);
  });

  it('hears what other processes write, also after its connection was cut', async () => {
    let heard = 0;
    const listening = await Instance.connect(database.url, 2);
    const listener = new NotificationListener(
      listening.pool,
      { rollcall_outbox: { onNotification: () => (heard += 1) } },
      SILENT,
    );
    listener.start();
    cleanups.push(async () => {
      await listener.stop();
      await listening.close();
    });
    const telemetry = writer.telemetry({ ownShards: () => [], offer: () => undefined });
    let changes = 0;
    const hear = async (): Promise<void> => {
      const before = heard;
      await eventually('a notification', async () => {
        await telemetry.apply([report(136, changes++ % 2 ? 'logged_out' : 'available')], Date.now());
        return heard > before;
      });
    };
    await hear();
    const { rows } = await writer.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query = 'listen rollcall_outbox'`,
    );
    expect(rows).toHaveLength(1);
    await hear();
  });
});
