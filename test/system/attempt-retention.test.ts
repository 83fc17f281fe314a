import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPool } from '#database';
import { PeriodicWork } from '#runtime';
import { maintain } from '../../apps/dispatcher/src/backlog/maintenance.repository.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

const DAY_MS = 86_400_000;

describe('DELIVERY_LOG_RETENTION', { timeout: 120_000 }, () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  let errors: string[];
  let work: PeriodicWork;

  beforeEach(async () => {
    database = await createTestDatabase();
    pool = createPool({ url: database.url, applicationName: 'test', poolSize: 2 });
    errors = [];
    work = new PeriodicWork((error) => void errors.push((error as Error).message));
  });

  afterEach(async () => {
    await work.stop();
    await pool.end();
    await database.drop();
  });

  const keep = (days: number): Promise<void> => maintain(work, pool, { retentionMs: days * DAY_MS, windowMs: DAY_MS });

  /** @param changedDaysAgo of the change @param triedDaysAgo of the attempt */
  async function attempt(agentEventId: number, changedDaysAgo: number, triedDaysAgo: number): Promise<void> {
    await pool.query(
      `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome)
       values ($1, presence.uuid_v7_floor(now() - $2 * interval '1 day'), 1, now() - $3 * interval '1 day', 1, 'delivered')`,
      [agentEventId, changedDaysAgo, triedDaysAgo],
    );
  }

  async function kept(): Promise<number[]> {
    const { rows } = await pool.query<{ id: number }>('select agent_event_id as id from dispatch.attempt order by 1');
    return rows.map(({ id }) => id);
  }

  async function keptSince(): Promise<number> {
    const { rows } = await pool.query<{ days: number }>(
      `select extract(epoch from now() - dispatch.attempts_since())::float8 / 86400 as days`,
    );
    return rows[0]!.days;
  }

  it('drops the days of changes that are older, and no others', async () => {
    await attempt(1, 13.9, 13.9);
    await attempt(2, 16.1, 16.1);
    await attempt(3, 0, 0);
    await keep(14);
    expect(errors).toEqual([]);
    expect(await kept()).toEqual([1, 3]);
    expect(await keptSince()).toBeGreaterThanOrEqual(14);
    expect(await keptSince()).toBeLessThan(16);
  });

  it('keeps attempts at a change whose day was dropped, which was sent again, for as long', async () => {
    await keep(14);
    await attempt(1, 20, 0);
    await attempt(2, 29, 13.9);
    await attempt(3, 40, 14.1);
    await keep(14);
    expect(await kept()).toEqual([1, 2]);
  });

  it('makes the days ahead also where more is kept from now on than before', async () => {
    await keep(14);
    await attempt(1, 20, 0);
    await pool.query(
      `do $$ begin execute 'drop table dispatch.attempt_' || to_char((now() at time zone 'utc')::date + 7, 'YYYYMMDD'); end $$`,
    );
    await keep(30);
    expect(errors).toEqual([]);
    expect(await kept()).toEqual([1]);
    const { rows } = await pool.query<{ ahead: boolean }>(
      `select to_regclass('dispatch.attempt_' || to_char((now() at time zone 'utc')::date + 7, 'YYYYMMDD')) is not null as ahead`,
    );
    expect(rows[0]!.ahead).toBe(true);
  });
});
