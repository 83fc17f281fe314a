import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { DatabaseClock } from './database-clock.js';
import { createDataSource, poolOf } from './data-source.js';

describe("the database's clock", () => {
  let database: TestDatabase;
  let dataSource: ReturnType<typeof createDataSource>;

  beforeAll(async () => {
    database = await createTestDatabase();
    dataSource = await createDataSource({ url: database.url, applicationName: 'test', poolSize: 1 }).initialize();
  });
  afterEach(() => void vi.restoreAllMocks());
  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  const databaseNow = async (): Promise<number> => {
    const { rows } = await poolOf(dataSource).query<{ ms: number }>(
      `select floor(date_part('epoch', clock_timestamp()) * 1000) as ms`,
    );
    return rows[0]!.ms;
  };

  it.each([
    [0, false],
    [3000, true],
    [-600_000, true],
    [7_200_000, true],
  ])('is told by a process whose own is %d ms ahead, and the difference is shown and warned of', async (skew, isWarned) => {
    const real = Date.now.bind(Date);
    vi.spyOn(Date, 'now').mockImplementation(() => real() + skew);
    const lines: { level: number; msg: string; skew_seconds?: number }[] = [];
    const logger = pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line) as (typeof lines)[0]) });
    const registry = new Registry();
    const clock = await DatabaseClock.start(poolOf(dataSource), logger, registry);
    try {
      const before = await databaseNow();
      const now = clock.now();
      expect(now).toBeGreaterThanOrEqual(before - 50); // it drifts by less
      expect(now).toBeLessThanOrEqual((await databaseNow()) + 5000);
      const [shown] = (await registry.getSingleMetric('rollcall_clock_skew_seconds')!.get()).values;
      expect(Math.abs(shown!.value - skew / 1000)).toBeLessThan(2);
      expect(lines.map(({ level, msg }) => [level, msg])).toEqual(isWarned ? [[40, 'clock.skewed']] : []);
    } finally {
      await clock.stop();
    }
  });

  it('is carried on by the time that passes, not by a clock that is set', async () => {
    const clock = await DatabaseClock.start(poolOf(dataSource), pino({ level: 'silent' }), new Registry());
    try {
      const before = clock.now();
      const real = Date.now.bind(Date);
      vi.spyOn(Date, 'now').mockImplementation(() => real() - 600_000);
      const after = clock.now();
      expect(after - before).toBeGreaterThanOrEqual(0);
      expect(after - before).toBeLessThan(30_000);
    } finally {
      await clock.stop();
    }
  });

  it('has no start without a database that tells it', async () => {
    const gone = await createDataSource({ url: database.url, applicationName: 'test', poolSize: 1 }).initialize();
    await gone.destroy();
    await expect(DatabaseClock.start(poolOf(gone), pino({ level: 'silent' }), new Registry())).rejects.toThrow();
  });
});
