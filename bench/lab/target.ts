import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Urls } from '../../test/support/client.js';
import type { Metered } from './meter.js';
import { parentOf, type ProcessRef } from './processor.js';

/** A build of Rollcall at work. */
export interface Target extends Metered {
  readonly urls: Urls;
  readonly databaseUrl: string;
  readonly pool: pg.Pool;
  /** Waits until nothing of what came in is left to do. */
  readonly settled: () => Promise<void>;
}

/** What differs from production's defaults, and why: limits that are there to refuse, and receivers on loopback. */
export const BENCH_SETTINGS = { RATE_LIMIT: 'off', AGENT_EVENT_LIMIT: '100000000', LOG_LEVEL: 'warn' } as const;

/** Known to the bench, which seals secrets that the services open. */
export const ENCRYPTION_KEY = 'the-key-of-the-bench';

export const PLATFORM = { appId: 'platform', secret: 'platform-secret' } as const;

const DEADLINE_MS = 120_000;

/** Tables that hold what is not done yet; a build may lack some of them. */
const WAITING = ['presence.outbox', 'dispatch.queue', 'dispatch.behind', 'dispatch.redelivery'] as const;

/** Waits until every change is published and every delivery recorded. */
export async function untilNothingWaits(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<{ name: string }>(
    'select name from unnest($1::text[]) as name where to_regclass(name) is not null',
    [WAITING],
  );
  for (const { name } of rows) {
    await until(
      async () => (await pool.query(`select from ${name} limit 1`)).rowCount === 0,
      () => `rows are left in ${name}`,
    );
  }
}

/** @returns the server that a pool is connected to, with all its processes */
export async function serverOf(pool: pg.Pool): Promise<ProcessRef> {
  const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid');
  // On a system without /proc the number is not used.
  return { pid: parentOf(rows[0]!.pid) ?? rows[0]!.pid, withChildren: true };
}

/** Looks every 10 ms. @throws Error with `otherwise` after two minutes */
export async function until(done: () => boolean | Promise<boolean>, otherwise: () => string | Promise<string>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(await otherwise());
    await delay(10);
  }
}
