import type { Pool } from 'pg';
import type { PeriodicWork } from '#runtime';
import { forgetReplays } from './replay.repository.js';

/** Often, since what is in use is left for the next time. */
const PARTITIONS_MS = 600_000;

/**
 * Keeps a week of partitions ahead of the attempt log and drops those beyond the retention (milliseconds), every ten minutes.
 * Nothing of it waits in front of writers. Several instances do no harm; nor does a failure, for as long as there are partitions.
 *
 * @returns after the first time, done at once: a database that nobody served for a week has no partition of today
 */
export async function maintain(work: PeriodicWork, pool: Pool, retentionMs: number): Promise<void> {
  await work.atOnceAndEvery(PARTITIONS_MS, () => addPartitions(pool, retentionMs));
  await work.atOnceAndEvery(PARTITIONS_MS, () => dropPartitions(pool, retentionMs));
  await work.atOnceAndEvery(PARTITIONS_MS, () => forgetDeletedEvents(pool));
  await work.atOnceAndEvery(PARTITIONS_MS, () => forgetReplays(pool, retentionMs));
}

async function addPartitions(pool: Pool, retentionMs: number): Promise<void> {
  await pool.query(`select dispatch.add_partitions($1 * interval '1 ms')`, [retentionMs]);
}

/** @throws Error where somebody reads them, such as pg_dump: they are left for the next time */
async function dropPartitions(pool: Pool, retentionMs: number): Promise<void> {
  const { rows } = await pool.query<{ done: boolean }>(`select dispatch.drop_partitions($1 * interval '1 ms') as done`, [
    retentionMs,
  ]);
  if (!rows[0]!.done) throw new Error('partitions of dispatch.attempt beyond the retention are in use; they are dropped later');
}

/** Forgets how agent events did that are deleted. */
async function forgetDeletedEvents(pool: Pool): Promise<void> {
  await pool.query(`
    delete from dispatch.event_health h
    where not exists (select from subscription.agent_event e where e.id = h.agent_event_id)`);
}
