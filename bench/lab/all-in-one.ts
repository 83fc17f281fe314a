import pg from 'pg';
import { EmbeddedPostgres } from '#database';
import { AllInOne } from '../../test/support/all-in-one.js';
import type { Build } from './build.js';
import type { Lab } from './lab.js';
import { ENCRYPTION_KEY, serverOf, BENCH_SETTINGS, untilNothingWaits, type Target } from './target.js';

/** Starts a build's all-in-one as `npm start` does, with the PostgreSQL that it brings along. Ends with the lab. */
export async function startMeasuredAllInOne(lab: Lab, { root }: Build): Promise<Target> {
  const system = await AllInOne.start({ ...BENCH_SETTINGS, ENCRYPTION_KEY }, root);
  lab.onStop(() => system.remove());
  const databaseUrl = await EmbeddedPostgres.findRunning(system.dataDir);
  if (databaseUrl === undefined) throw new Error('the all-in-one has started, and its PostgreSQL is not to be found');
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  lab.onStop(() => pool.end());
  return {
    urls: system.urls,
    databaseUrl,
    pool,
    processes: { PostgreSQL: [await serverOf(pool)], 'all-in-one': [system.process] },
    settled: () => untilNothingWaits(pool),
  };
}
