import { randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AgentStatus, StatusChange } from '#contracts';
import { eventually } from '../../../../test/support/poll.js';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/postgres.js';
import { Instance, NO_RELAY, RecordingTopic, report, SILENT } from '../../test/support.js';
import { PresenceMetrics } from '../metrics.js';
import { OutboxRelay } from '../relay/outbox.relay.js';
import { TelemetryService } from '../telemetry/telemetry.service.js';
import { ChangeSeries } from './change-series.js';
import { LastReports } from './last-reports.js';
import { dropChangeCounts, dropLastReports } from './series.repository.js';
import { PresenceSeries } from './series.js';

const MINUTE_MS = 60_000;
const LONG_MS = 60_000;

describe('what is counted and remembered of telemetry', { timeout: 2 * LONG_MS }, () => {
  let database: TestDatabase;
  let instance: Instance;
  let other: Instance;

  beforeAll(async () => {
    database = await createTestDatabase();
    [instance, other] = [await Instance.connect(database.url), await Instance.connect(database.url)];
  });

  beforeEach(async () => {
    await instance.pool.query(
      'truncate presence.change_series, presence.last_report, presence.agent, presence.outbox, presence.status_change',
    );
  });

  afterEach(() => vi.useRealTimers());

  afterAll(async () => {
    await Promise.all([instance.close(), other.close()]);
    await database.drop();
  });

  /** The beginning of a minute some minutes ago. */
  const START = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 10 * MINUTE_MS;

  const change = (minute: number, agentStatus: AgentStatus, clientId = 12): StatusChange =>
    ({ clientId, agentStatus, changedAt: START + minute * MINUTE_MS + 59_999 }) as StatusChange;

  /** Minutes after the start, logins, logouts and available agents. */
  async function minutesOf(clientId: number): Promise<number[][]> {
    const { rows } = await instance.pool.query<{ minute: Date; logins: number; logouts: number; available: number }>(
      'select minute, logins, logouts, available from presence.change_series where client_id = $1 order by minute',
      [clientId],
    );
    return rows.map(({ minute, logins, logouts, available }) => [
      (minute.getTime() - START) / MINUTE_MS,
      logins,
      logouts,
      available,
    ]);
  }

  async function reportOf(agentId: number): Promise<Record<string, unknown> | undefined> {
    const { rows } = await instance.pool.query<Record<string, unknown>>(
      'select agent_type, agent_status, occurred_at, reported_at, result, since_change from presence.last_report where agent_id = $1',
      [agentId],
    );
    return rows[0];
  }

  /** A table that is not there for a while is a database that does not write. */
  const away = (table: string): Promise<unknown> => instance.pool.query(`alter table presence.${table} rename to ${table}_away`);
  const back = (table: string): Promise<unknown> => instance.pool.query(`alter table presence.${table}_away rename to ${table}`);

  describe('status changes', () => {
    it('are counted once they are published, by the minute of the change, with who was available at its end', async () => {
      const series = new ChangeSeries(instance.pool);
      const published: StatusChange[] = [];
      const relay = new OutboxRelay({
        pool: instance.pool,
        producer: new RecordingTopic().producer(),
        instance: randomUUID(),
        metrics: new PresenceMetrics(new Registry()),
        logger: SILENT,
        onPublished: (changes) => {
          series.note(changes);
          published.push(...changes);
        },
      });
      const telemetry = instance.telemetry();
      const results = await telemetry.apply([
        report(1, 'available'),
        report(2, 'available'),
        report(2, 'available'),
        report(1, 'logged_out', { occurred_at: new Date(START).toISOString() }),
        report(1, 'logged_out'),
        report(1, 'available'),
        report(3, 'available'),
        report(2, 'logged_out'),
        { ...report(4, 'available'), client_id: '13' },
      ]);
      expect(results.map(({ result }) => result)).toEqual([
        ...['changed', 'changed', 'unchanged', 'stale', 'changed', 'changed', 'changed', 'changed', 'changed'],
      ]);
      // As if the changes had been made over four minutes: agent, sequence, seconds after the start.
      for (const [agent, sequence, second] of [
        [1, 1, 0],
        [2, 1, 59],
        [1, 2, 60],
        [1, 3, 90],
        [3, 1, 119],
        [2, 2, 180],
        [4, 1, 239],
      ] as const) {
        await instance.pool.query('update presence.status_change set changed_at = $3 where agent_id = $1 and sequence = $2', [
          agent,
          sequence,
          new Date(START + second * 1000),
        ]);
      }
      await series.flush();
      expect(await minutesOf(12)).toEqual([]);
      relay.start();
      await eventually('that all is published', () => published.length >= 7, LONG_MS);
      await relay.stop();
      await series.flush();
      expect(await minutesOf(12)).toEqual([
        [0, 2, 0, 2],
        [1, 2, 1, 3],
        [3, 0, 1, 2],
      ]);
      expect(await minutesOf(13)).toEqual([[3, 1, 0, 1]]);
    });

    it('of several instances, and of one that was started again, are added up', async () => {
      const [first, second] = [new ChangeSeries(instance.pool), new ChangeSeries(other.pool)];
      first.note([change(0, 'available'), change(1, 'available'), change(1, 'logged_out')]);
      second.note([change(0, 'available'), change(0, 'logged_out'), change(2, 'available')]);
      await Promise.all([first.flush(), second.flush()]);
      await Promise.all([first.flush(), second.flush()]); // nothing is left to add
      const counts = async (): Promise<number[][]> => (await minutesOf(12)).map((row) => row.slice(0, 3));
      expect(await counts()).toEqual([
        [0, 2, 1],
        [1, 1, 1],
        [2, 1, 0],
      ]);
      const restarted = new ChangeSeries(instance.pool);
      restarted.note([change(0, 'logged_out'), change(2, 'available'), change(2, 'available', 13)]);
      await restarted.flush();
      expect(await counts()).toEqual([
        [0, 2, 2],
        [1, 1, 1],
        [2, 2, 0],
      ]);
      expect((await minutesOf(13)).map((row) => row.slice(0, 3))).toEqual([[2, 1, 0]]);
    });

    it('that could not be written are kept, and written once', async () => {
      const series = new ChangeSeries(instance.pool);
      series.note([change(0, 'available')]);
      await away('change_series');
      try {
        await expect(series.flush()).rejects.toThrow(/change_series/);
        series.note([change(0, 'available'), change(1, 'logged_out')]);
        await expect(series.flush()).rejects.toThrow(/change_series/);
      } finally {
        await back('change_series');
      }
      await series.flush();
      await series.flush();
      expect((await minutesOf(12)).map((row) => row.slice(0, 3))).toEqual([
        [0, 2, 0],
        [1, 0, 1],
      ]);
    });
  });

  describe('the last report of an agent', () => {
    const telemetryTo = (reports: LastReports): TelemetryService =>
      new TelemetryService({
        pool: instance.pool,
        relay: NO_RELAY,
        clock: Date,
        metrics: new PresenceMetrics(new Registry()),
        logger: SILENT,
        onDecided: (items) => reports.note(items),
      });

    it('is remembered with what was made of it, and how many came since the change', async () => {
      const reports = new LastReports(instance.pool);
      const telemetry = telemetryTo(reports);
      const receivedAt = START + 1000;
      const early = { occurred_at: new Date(START - 1000).toISOString() };
      await telemetry.apply([report(1, 'available'), report(2, 'available'), report(3, 'available')], receivedAt);
      await telemetry.apply(
        [report(4, 'available'), report(4, 'logged_out'), report(4, 'available', { agent_type: 'remote', agent_number: '+7' })],
        receivedAt,
      );
      for (let i = 0; i < 3; i++) await telemetry.apply([report(2, 'available')], receivedAt + 1 + i);
      await telemetry.apply([report(3, 'logged_out', early)], receivedAt + 5);
      await reports.flush();
      const reported = new Date(receivedAt);
      expect(await reportOf(1)).toEqual({
        ...{ agent_type: 'local', agent_status: 'available', occurred_at: null },
        ...{ reported_at: reported, result: 'changed', since_change: 0 },
      });
      expect(await reportOf(2)).toMatchObject({ result: 'unchanged', since_change: 3, reported_at: new Date(receivedAt + 3) });
      expect(await reportOf(3)).toMatchObject({
        ...{ result: 'stale', since_change: 1, agent_status: 'logged_out' },
        occurred_at: new Date(START - 1000),
      });
      expect(await reportOf(4)).toMatchObject({ agent_type: 'remote', result: 'rejected', since_change: 1 });
    });

    it('is the youngest of all instances, and of one that was started again', async () => {
      const [first, second] = [new LastReports(instance.pool), new LastReports(other.pool)];
      await telemetryTo(first).apply([report(1, 'available')], START);
      await telemetryTo(second).apply([report(1, 'available')], START + 2);
      await telemetryTo(first).apply([report(1, 'available')], START + 1);
      await second.flush();
      await first.flush();
      expect(await reportOf(1)).toMatchObject({ reported_at: new Date(START + 2), result: 'unchanged', since_change: 1 });
      const restarted = new LastReports(instance.pool);
      await telemetryTo(restarted).apply([report(1, 'logged_out')], START + 3);
      await restarted.flush();
      expect(await reportOf(1)).toMatchObject({ reported_at: new Date(START + 3), result: 'changed', since_change: 0 });
    });

    it('is written a bounded number at a time, who has waited longest first', async () => {
      const reports = new LastReports(instance.pool);
      const telemetry = telemetryTo(reports);
      await telemetry.apply(
        Array.from({ length: 2500 }, (_, agent) => report(agent + 1, 'available')),
        START,
      );
      const written = async (): Promise<[count: number, last: number]> => {
        const { rows } = await instance.pool.query<{ count: number; last: number }>(
          'select count(*)::integer as count, max(agent_id)::integer as last from presence.last_report',
        );
        return [rows[0]!.count, rows[0]!.last];
      };
      await reports.flush();
      expect(await written()).toEqual([2000, 2000]);
      await telemetry.apply([report(1, 'available')], START + 1);
      await reports.flush();
      expect(await written()).toEqual([2500, 2500]);
      expect(await reportOf(1)).toMatchObject({ reported_at: new Date(START + 1), result: 'unchanged' });
    });

    it('that could not be written is kept', async () => {
      const reports = new LastReports(instance.pool);
      await telemetryTo(reports).apply([report(1, 'available')], START);
      await away('last_report');
      try {
        await expect(reports.flush()).rejects.toThrow(/last_report/);
      } finally {
        await back('last_report');
      }
      await reports.flush();
      expect(await reportOf(1)).toMatchObject({ result: 'changed' });
    });
  });

  describe('what is beyond the retention', () => {
    const RETENTION_MS = 3_600_000;

    /** An old and a young minute and report of each of so many. */
    async function fill(count: number): Promise<void> {
      for (const [age, of] of [
        ['90 minutes', 12],
        ['30 minutes', 13],
      ] as const) {
        await instance.pool.query(
          `insert into presence.change_series (client_id, minute, logins, logouts, available)
           select $2::bigint * 1000 + n, now() - $1::interval, 1, 0, 1 from generate_series(1, $3) n`,
          [age, of, count],
        );
        await instance.pool.query(
          `insert into presence.last_report (client_id, agent_id, agent_type, reported_at, agent_status, event_source, result, since_change)
           select $2, n, 'local', now() - $1::interval, 'available', 'api', 'changed', 0 from generate_series(1, $3) n`,
          [age, of, count],
        );
      }
    }

    async function left(): Promise<Record<string, number>> {
      const { rows } = await instance.pool.query<Record<string, number>>(
        `select (select count(*)::integer from presence.change_series where client_id between 12001 and 12999) as old_minutes,
           (select count(*)::integer from presence.change_series where client_id > 13000) as minutes,
           (select count(*)::integer from presence.last_report where client_id = 12) as old_reports,
           (select count(*)::integer from presence.last_report where client_id = 13) as reports`,
      );
      return rows[0]!;
    }

    it('is dropped, so many at a time', async () => {
      await fill(3);
      await dropChangeCounts(instance.pool, RETENTION_MS, 2);
      await dropLastReports(instance.pool, RETENTION_MS, 2);
      expect(await left()).toEqual({ old_minutes: 1, minutes: 3, old_reports: 1, reports: 3 });
      for (let i = 0; i < 2; i++) {
        await dropChangeCounts(instance.pool, RETENTION_MS, 2);
        await dropLastReports(instance.pool, RETENTION_MS, 2);
      }
      expect(await left()).toEqual({ old_minutes: 0, minutes: 3, old_reports: 0, reports: 3 });
    });

    it('is dropped every minute, and what is left is written at the stop', async () => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
      await fill(1);
      const series = new PresenceSeries(instance.pool, RETENTION_MS, SILENT);
      series.changes.note([change(0, 'available')]);
      vi.advanceTimersByTime(MINUTE_MS);
      series.changes.note([change(0, 'available')]);
      await series.stop();
      expect((await minutesOf(12)).map((row) => row.slice(0, 3))).toEqual([[0, 2, 0]]);
      expect(await left()).toEqual({ old_minutes: 0, minutes: 1, old_reports: 0, reports: 1 });
    });
  });
});
