import pg from 'pg';
import { pino } from 'pino';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDataSource } from '#database';
import { call } from '../../../../test/support/client.js';
import { eventually } from '../../../../test/support/poll.js';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/postgres.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';
import { RateLimitSync } from './rate-limit-sync.js';
import { RateLimiter } from './rate-limiter.js';
import { RequestCountRepository } from './request-count.repository.js';

const LIMIT = 100;
const WINDOW_MS = 60_000;
const NEVER_MS = 2 ** 31 - 1;
/** Where a window begins. */
const START = Math.floor(Date.parse('2026-11-22T10:00:00Z') / WINDOW_MS) * WINDOW_MS;

describe('a rate limit over instances', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let pool: pg.Pool;
  let logged: string[];

  beforeAll(async () => {
    database = await createTestDatabase();
    dataSource = await createDataSource({ url: database.url, applicationName: 'test', poolSize: 4 }).initialize();
    pool = new pg.Pool({ connectionString: database.url, max: 2 }).on('error', () => undefined);
  });

  afterAll(async () => {
    await pool.end();
    await dataSource.destroy();
    await database.drop();
  });

  beforeEach(() => (logged = []));
  afterEach(() => pool.query('delete from access.request_count'));

  /** What an instance counts with, synced by hand. */
  function instance() {
    const limiter = new RateLimiter({ requests: LIMIT, windowMs: WINDOW_MS });
    const logger = pino({}, { write: (line: string) => void logged.push((JSON.parse(line) as { msg: string }).msg) });
    const sync = new RateLimitSync(limiter, new RequestCountRepository(dataSource), logger, { rateLimitSyncMs: NEVER_MS });
    return {
      limiter,
      sync: (now = START) => sync.sync(now),
      /** Sends that many requests; how many were let through. */
      take(count: number, application = 1, now = START): number {
        let allowed = 0;
        for (let i = 0; i < count; i++) if (limiter.take(application, now).allowed) allowed++;
        return allowed;
      },
      remaining: (application = 1, now = START) => limiter.peek(application, now).remaining,
    };
  }

  const rows = async () => (await pool.query('select 1 from access.request_count')).rowCount;

  it('lets through what the limit allows, and what came since the others told', async () => {
    const [a, b, c] = [instance(), instance(), instance()] as const;
    expect(a.take(60)).toBe(60);
    expect(b.take(20)).toBe(20);
    for (const one of [a, b, c, a, b]) await one.sync();
    expect([a.remaining(), b.remaining(), c.remaining()]).toEqual([20, 20, 20]);
    // Nobody knows of what the others let through now: at most what is left, by each.
    const allowed = a.take(50) + b.take(50) + c.take(5);
    expect(allowed).toBe(20 + 20 + 5);
    for (const one of [a, b, c, a, b, c]) await one.sync();
    expect(a.take(10) + b.take(10) + c.take(10)).toBe(0);
    expect([a.remaining(), b.remaining(), c.remaining()]).toEqual([0, 0, 0]);
  });

  it('bounds what all instances let through by the traffic between syncs', async () => {
    const instances = [instance(), instance(), instance()];
    const perRound = 7;
    let allowed = 0;
    for (let round = 0; round < 30; round++) {
      for (const one of instances) allowed += one.take(perRound);
      for (const one of instances) await one.sync();
    }
    expect(allowed).toBeGreaterThanOrEqual(LIMIT);
    // Two syncs' worth of what the two others let through.
    expect(allowed).toBeLessThanOrEqual(LIMIT + 2 * perRound * (instances.length - 1));
  });

  it('keeps applications and windows apart, and writes only what changed', async () => {
    const [a, b] = [instance(), instance()];
    a.take(10, 1);
    a.take(5, 2);
    await a.sync();
    await b.sync();
    expect([b.remaining(1), b.remaining(2), b.remaining(3)]).toEqual([90, 95, 100]);
    await pool.query('update access.request_count set requests = 0 where application_id = 2'); // seen to be left alone
    a.take(1, 1);
    await a.sync();
    await b.sync();
    expect([b.remaining(1), b.remaining(2)]).toEqual([89, 100]);
    const next = START + WINDOW_MS;
    expect(b.remaining(1, next)).toBe(100);
    await b.sync(next);
    expect(b.remaining(1, next)).toBe(100);
  });

  it('counts what an instance that died had let through, until the window ends, and then forgets it', async () => {
    const [dead, alive] = [instance(), instance()];
    dead.take(30);
    await dead.sync();
    await alive.sync();
    expect(alive.remaining()).toBe(70);
    expect(alive.take(100)).toBe(70);
    await alive.sync(START + WINDOW_MS); // still kept, for an instance whose clock is behind
    expect(await rows()).toBe(1);
    expect(alive.take(100, 1, START + WINDOW_MS)).toBe(100);
    for (const window of [2, 3]) await Promise.all([alive, instance()].map((one) => one.sync(START + window * WINDOW_MS)));
    expect(await rows()).toBe(0);
  });

  it('counts for itself while the database is away, says so once, and tells everything afterwards', async () => {
    const [a, b] = [instance(), instance()];
    a.take(10);
    await a.sync();
    await pool.query('alter table access.request_count rename to away');
    try {
      a.take(10);
      for (let i = 0; i < 3; i++) await a.sync();
      expect(a.take(100)).toBe(80);
      expect(logged).toEqual(['rate_limit.not_shared']);
      await pool.query('truncate access.away'); // as a crash of the database would
    } finally {
      await pool.query('alter table access.away rename to request_count');
    }
    await a.sync();
    await b.sync();
    expect(b.remaining()).toBe(0);
    expect(logged).toEqual(['rate_limit.not_shared', 'rate_limit.shared_again']);
  });

  it('holds over two instances of the service', async () => {
    const settings = { RATE_LIMIT: { requests: 300, windowMs: 3_600_000 } };
    const first = await ApiFixture.start(settings, { times: { rateLimitSyncMs: 20 } });
    const second = await ApiFixture.startService(first.database.url, settings, { times: { rateLimitSyncMs: 20 } });
    try {
      const headers = { authorization: `Bearer ${await first.token('demo')}` };
      const send = (base: string) => call(`${base}/api/ver1.0/user`, { headers });
      for (let i = 0; i < 100; i++) expect((await send(first.url)).status).toBe(200);
      let sent = 0;
      await eventually('the second to know of the first', async () => {
        sent++;
        return (await send(second.url)).headers.get('x-ratelimit-remaining') === String(300 - 100 - sent);
      });
      for (; sent < 200; sent++) expect((await send(second.url)).status).toBe(200);
      expect((await send(second.url)).status).toBe(429);
      await eventually('the first to know of the second', async () => (await send(first.url)).status === 429);
    } finally {
      await second.stop();
      await first.stop();
    }
  });
});
