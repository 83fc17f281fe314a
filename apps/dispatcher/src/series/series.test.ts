import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { LATENCY_BUCKETS } from '#contracts';
import { CLIENT, DispatcherWorld } from '../../../../test/support/dispatcher-world.js';
import { eventually } from '../../../../test/support/poll.js';
import { RecordingReceiver } from '../../../../test/support/receiver.js';
import { DeliveryHints } from './delivery-hints.js';
import { DeliverySeries, type CountedAttempt } from './delivery-series.js';
import { OriginStates } from './origin-states.js';
import { dropDeliveryCounts, dropOriginStates } from './series.repository.js';
import { DispatcherSeries } from './series.js';

const LONG_MS = 60_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const SILENT = pino({ level: 'silent' });

describe('what is counted and told of deliveries', { timeout: 2 * LONG_MS }, () => {
  let world: DispatcherWorld;
  /** Another instance's. */
  let other: pg.Pool;

  beforeAll(async () => {
    world = await DispatcherWorld.create();
    other = new pg.Pool({ connectionString: world.database.url, max: 2 }).on('error', () => undefined);
  });

  beforeEach(() => world.pool.query('truncate dispatch.delivery_series, dispatch.origin_state'));

  afterEach(() => vi.useRealTimers());

  afterAll(async () => {
    await other.end();
    await world.remove();
  });

  /** Half past an hour of today or yesterday, in milliseconds since the epoch. */
  const START = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - HOUR_MS / 2;
  const attempt = (outcome: CountedAttempt['outcome'], latencyMs = 3, agentEventId = 7): CountedAttempt => ({
    outcome,
    latencyMs,
    agentEventId,
  });

  interface Counted {
    readonly agentEventId: number;
    readonly grain: number;
    /** Minutes after the start. */
    readonly minute: number;
    /** Delivered, retry, failed, dropped. */
    readonly outcomes: readonly number[];
    readonly latency: readonly number[];
  }

  async function counted(clientId = CLIENT): Promise<Counted[]> {
    const { rows } = await world.pool.query<Record<string, number> & { at: Date; latency: number[] }>(
      `select agent_event_id::integer, grain, at, delivered, retry, failed, dropped, latency from dispatch.delivery_series
       where client_id = $1 order by grain, agent_event_id, at`,
      [clientId],
    );
    return rows.map(({ agent_event_id, grain, at, delivered, retry, failed, dropped, latency }) => ({
      agentEventId: agent_event_id!,
      grain: grain!,
      minute: (at.getTime() - START) / MINUTE_MS,
      outcomes: [delivered!, retry!, failed!, dropped!],
      latency,
    }));
  }

  /** Minutes of all of the client's agent events, with what became of the attempts. */
  const minutes = async (): Promise<unknown[]> =>
    (await counted())
      .filter(({ agentEventId, grain }) => agentEventId === 0 && grain === 60)
      .map(({ minute, outcomes }) => [minute, outcomes]);

  /** How many took so long, by step. */
  const steps = (counts: Readonly<Record<number, number>>): number[] =>
    Array.from({ length: LATENCY_BUCKETS }, (_, step) => counts[step] ?? 0);

  describe('attempts', () => {
    it('are counted by minute and hour, of each agent event for all agents and of the client, by outcome and by how long they took', async () => {
      const series = new DeliverySeries(world.pool);
      series.note(CLIENT, attempt('delivered', 5), true, START);
      series.note(CLIENT, attempt('delivered', 6), true, START + MINUTE_MS - 1);
      series.note(CLIENT, attempt('retry', 10_001), true, START + MINUTE_MS);
      series.note(CLIENT, attempt('gone', 40, 8), true, START + MINUTE_MS);
      series.note(CLIENT, attempt('failed', 10_000, 8), true, START + MINUTE_MS);
      series.note(CLIENT, attempt('dropped', 0, 8), true, START + HOUR_MS);
      series.note(13, attempt('delivered', 1, 9), false, START);
      await series.flush();
      const row = (agentEventId: number, grain: number, minute: number, outcomes: number[], latency: Record<number, number>) => ({
        ...{ agentEventId, grain, minute, outcomes },
        latency: steps(latency),
      });
      expect(await counted()).toEqual([
        row(0, 60, 0, [2, 0, 0, 0], { 0: 1, 1: 1 }),
        row(0, 60, 1, [0, 2, 1, 0], { 3: 1, 10: 1, 11: 1 }),
        row(0, 60, 60, [0, 0, 0, 1], {}),
        row(7, 60, 0, [2, 0, 0, 0], { 0: 1, 1: 1 }),
        row(7, 60, 1, [0, 1, 0, 0], { 11: 1 }),
        row(8, 60, 1, [0, 1, 1, 0], { 3: 1, 10: 1 }),
        row(8, 60, 60, [0, 0, 0, 1], {}),
        row(0, 3600, -30, [2, 2, 1, 0], { 0: 1, 1: 1, 3: 1, 10: 1, 11: 1 }),
        row(0, 3600, 30, [0, 0, 0, 1], {}),
        row(7, 3600, -30, [2, 1, 0, 0], { 0: 1, 1: 1, 11: 1 }),
        row(8, 3600, -30, [0, 1, 1, 0], { 3: 1, 10: 1 }),
        row(8, 3600, 30, [0, 0, 0, 1], {}),
      ]);
      // One of a single agent is not counted by itself.
      expect((await counted(13)).map(({ agentEventId, grain }) => [agentEventId, grain])).toEqual([
        [0, 60],
        [0, 3600],
      ]);
    });

    it('of several instances, and of one that was started again, are added up', async () => {
      const [first, second] = [new DeliverySeries(world.pool), new DeliverySeries(other)];
      for (let i = 0; i < 3; i++) first.note(CLIENT, attempt('delivered', 3), true, START);
      second.note(CLIENT, attempt('delivered', 30), true, START);
      second.note(CLIENT, attempt('failed', 3), true, START + MINUTE_MS);
      await Promise.all([first.flush(), second.flush()]);
      await Promise.all([first.flush(), second.flush()]); // nothing is left to add
      const restarted = new DeliverySeries(world.pool);
      restarted.note(CLIENT, attempt('retry', 3), true, START);
      await restarted.flush();
      expect(await minutes()).toEqual([
        [0, [4, 1, 0, 0]],
        [1, [0, 0, 1, 0]],
      ]);
      expect((await counted())[0]!.latency).toEqual(steps({ 0: 4, 3: 1 }));
    });

    it('that could not be written are kept, and written once', async () => {
      const series = new DeliverySeries(world.pool);
      series.note(CLIENT, attempt('delivered', 3), true, START);
      // A table that is not there for a while is a database that does not write.
      await world.pool.query('alter table dispatch.delivery_series rename to delivery_series_away');
      try {
        await expect(series.flush()).rejects.toThrow(/delivery_series/);
        series.note(CLIENT, attempt('retry', 30), true, START);
        await expect(series.flush()).rejects.toThrow(/delivery_series/);
      } finally {
        await world.pool.query('alter table dispatch.delivery_series_away rename to delivery_series');
      }
      await series.flush();
      await series.flush();
      expect(await minutes()).toEqual([[0, [1, 1, 0, 0]]]);
      expect((await counted())[0]!.latency).toEqual(steps({ 0: 1, 3: 1 }));
    });

    it('are counted as they are logged, over the stop of one dispatcher and the start of the next', async () => {
      const receiver = await RecordingReceiver.start();
      try {
        const path = `/${randomUUID()}`;
        const event = await world.subscribe(null, `${receiver.url}${path}`);
        const ofOneAgent = await world.subscribe(100, `${receiver.url}/one${path}`);
        receiver.answer(({ url }, response) =>
          response.writeHead(url === path && receiver.at(path).length === 1 ? 500 : 200).end(),
        );
        for (let run = 1; run <= 2; run++) {
          const dispatcher = await world.start();
          if (run === 2) await world.change(100); // a logout, so that what follows begins with a login
          await world.logins(100, 2);
          await eventually('that both logins were told', () => receiver.at(path).length > run * 2, LONG_MS);
          await world.drained(LONG_MS);
          await world.stop(dispatcher);
        }
        const { rows: logged } = await world.pool.query<Record<string, number>>(
          `select count(*) filter (where outcome = 'delivered')::integer as delivered, count(*) filter (where outcome = 'retry')::integer as retry
           from dispatch.attempt where agent_event_id = $1`,
          [event],
        );
        const { rows: ofAll } = await world.pool.query<Record<string, number>>(
          `select count(*) filter (where outcome = 'delivered')::integer as delivered, count(*) filter (where outcome = 'retry')::integer as retry
           from dispatch.attempt`,
        );
        for (const [of, known] of [
          [0, ofAll],
          [event, logged],
        ] as const) {
          for (const grain of [60, 3600]) {
            const { rows } = await world.pool.query<Record<string, number>>(
              `select sum(delivered)::integer as delivered, sum(retry)::integer as retry from dispatch.delivery_series
               where client_id = $1 and agent_event_id = $2 and grain = $3`,
              [CLIENT, of, grain],
            );
            expect(rows).toEqual(known);
          }
        }
        expect(logged).toEqual([{ delivered: 4, retry: 1 }]);
        expect(ofAll).toEqual([{ delivered: 8, retry: 1 }]);
        expect((await counted()).filter(({ agentEventId }) => agentEventId === ofOneAgent)).toEqual([]);
      } finally {
        await receiver.stop();
      }
    });
  });

  describe('hints', () => {
    it('tell of each delivery once, some hundred of a client at most, in payloads that PostgreSQL takes', async () => {
      const listener = await other.connect();
      const payloads: string[] = [];
      listener.on('notification', ({ payload }) => payloads.push(payload!));
      await listener.query('listen rollcall_deliveries');
      try {
        const hints = new DeliveryHints(world.pool);
        const ids = Array.from({ length: 250 }, () => randomUUID());
        for (const changeId of [...ids, ...ids]) hints.note(CLIENT, { changeId, agentEventId: 4_294_967_295 });
        hints.note(13, { changeId: ids[0]!, agentEventId: 7 });
        await hints.flush();
        await hints.flush(); // nothing is told twice
        hints.note(13, { changeId: ids[1]!, agentEventId: 7 });
        await hints.flush();
        await eventually('the last hint', () => payloads.at(-1) === `13 ${ids[1]}_7`, LONG_MS);
        const told = ids.slice(0, 200).map((id) => `${id}_4294967295`);
        expect(payloads).toEqual([
          ['12', ...told.slice(0, 100)].join(' '),
          ['12', ...told.slice(100)].join(' '),
          `13 ${ids[0]}_7`,
          `13 ${ids[1]}_7`,
        ]);
      } finally {
        await listener.query('unlisten *');
        listener.release(true);
      }
    });
  });

  describe('origins', () => {
    const ORIGIN = 'http://127.0.0.1:9';
    const share = { health: { isOpen: false, pauseMs: () => 30_000 } };
    const failed = { error: 'connection refused', kind: 'connect', latencyMs: 1 } as unknown as Parameters<
      OriginStates['ended']
    >[3];

    async function states(): Promise<Record<string, unknown>[]> {
      const { rows } = await world.pool.query<Record<string, unknown>>(
        'select state, last_error, next_probe_at is not null as has_probe from dispatch.origin_state order by state',
      );
      return rows;
    }

    it('are told of by each instance while they are not sent to, and no more after its stop', async () => {
      const [first, second] = [new OriginStates(world.pool, randomUUID()), new OriginStates(other, randomUUID())];
      share.health.isOpen = false;
      first.ended(share, CLIENT, ORIGIN, failed);
      await first.flush();
      expect(await states()).toEqual([]); // one that is well is not written
      share.health.isOpen = true;
      first.ended(share, CLIENT, ORIGIN, failed);
      second.ended(share, CLIENT, ORIGIN, failed);
      await Promise.all([first.flush(), second.flush()]);
      const open = { state: 'open', last_error: 'connection refused', has_probe: true };
      expect(await states()).toEqual([open, open]);
      first.started(share, CLIENT, ORIGIN);
      await first.flush();
      expect(await states()).toEqual([open, { ...open, state: 'probing', has_probe: false }]);
      share.health.isOpen = false;
      first.ended(share, CLIENT, ORIGIN, failed);
      await first.flush();
      await second.close();
      const closed = { ...open, state: 'closed', has_probe: false };
      expect(await states()).toEqual([closed, closed]);
    });
  });

  describe('what is beyond the retention', () => {
    /** Old and young counts of a client, and an origin that was last heard of so long ago. */
    async function fill(): Promise<void> {
      await world.pool.query(
        `insert into dispatch.delivery_series
         select 12, event, 60, date_trunc('minute', now()) - age, 1, 0, 0, 0, array_fill(0, array[12])
         from generate_series(0, 2) event, unnest(array['90 minutes', '30 minutes']::interval[]) age`,
      );
      await world.pool.query(
        `insert into dispatch.origin_state
         select 12, 'http://' || age, gen_random_uuid(), 'open', now(), now(), null, now() - age::interval
         from unnest(array['25 hours', '23 hours']) age`,
      );
    }

    async function left(): Promise<unknown> {
      const { rows } = await world.pool.query(
        `select (select count(*)::integer from dispatch.delivery_series where at < now() - interval '1 hour') as old,
           (select count(*)::integer from dispatch.delivery_series where at > now() - interval '1 hour') as young,
           (select array_agg(origin) from dispatch.origin_state) as origins`,
      );
      return rows[0];
    }

    it('is dropped, so many at a time', async () => {
      await fill();
      await dropDeliveryCounts(world.pool, HOUR_MS, 2);
      expect(await left()).toMatchObject({ old: 1, young: 3 });
      await dropDeliveryCounts(world.pool, HOUR_MS, 2);
      await dropDeliveryCounts(world.pool, HOUR_MS, 2);
      await dropOriginStates(world.pool, 24 * HOUR_MS);
      expect(await left()).toEqual({ old: 0, young: 3, origins: ['http://23 hours'] });
    });

    it('is dropped every minute, and what is left is written at the stop', async () => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
      await fill();
      const series = new DispatcherSeries({ pool: world.pool, instance: randomUUID(), retentionMs: HOUR_MS, logger: SILENT });
      vi.advanceTimersByTime(MINUTE_MS);
      series.note(CLIENT, [{ ...attempt('delivered', 3, 77), changeId: randomUUID() }], () => true);
      await series.stop();
      expect(await left()).toEqual({ old: 0, young: 7, origins: ['http://23 hours'] });
      expect((await counted()).find(({ agentEventId }) => agentEventId === 77)).toMatchObject({ outcomes: [1, 0, 0, 0] });
    });
  });
});
