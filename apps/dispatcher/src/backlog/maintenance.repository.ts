import type { Pool } from 'pg';
import type { PeriodicWork } from '#runtime';
import type { DispatcherMetrics } from '../metrics.js';
import { estimateQueue } from './queue.repository.js';

/** Often, since what is in use is left for the next time. */
const PARTITIONS_MS = 600_000;
const SAMPLE_MS = 5000;

/**
 * Keeps a week of partitions ahead of the attempt log and drops those beyond the retention (milliseconds), every ten minutes, and
 * samples the depth of the queue. Nothing of it waits in front of writers. Several instances do no harm; nor does a failure, for as long as there are partitions.
 *
 * @returns after the first time, done at once: a database that nobody served for a week has no partition of today
 */
export async function maintainQueue(
  work: PeriodicWork,
  pool: Pool,
  retentionMs: number,
  metrics: DispatcherMetrics,
): Promise<void> {
  work.every(SAMPLE_MS, async () => metrics.queueRows.set(await estimateQueue(pool)));
  await work.atOnceAndEvery(PARTITIONS_MS, () => addPartitions(pool, retentionMs));
  await work.atOnceAndEvery(PARTITIONS_MS, () => dropPartitions(pool, retentionMs));
  await work.atOnceAndEvery(PARTITIONS_MS, () => forgetDeletedEvents(pool));
  await work.atOnceAndEvery(PARTITIONS_MS, () => forgetEndedMoves(pool));
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

/** Forgets which rows were moved while they were leased, where nobody tells what became of them: their leaser has crashed. */
async function forgetEndedMoves(pool: Pool): Promise<void> {
  await pool.query(`
    delete from dispatch.moved_lease m
    where not exists (select from dispatch.queue q
                      where q.lane = m.now_in and q.sequence = m.sequence and q.agent_event_id = m.agent_event_id
                        and q.lease_owner = m.lease_owner)`);
}
