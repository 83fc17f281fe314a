import type { Pool } from 'pg';
import type { PeriodicWork } from '#runtime';
import type { DispatcherMetrics } from '../metrics.js';
import { estimateQueue } from './queue.repository.js';

const PARTITIONS_MS = 3_600_000;
const SAMPLE_MS = 5000;

/**
 * Keeps a week of partitions ahead of the attempt log and drops those beyond the retention (milliseconds), every hour, and samples the
 * depth of the queue. Several instances do no harm; nor does a failure, for as long as there are partitions.
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
  await work.atOnceAndEvery(PARTITIONS_MS, () => maintainAttempts(pool, retentionMs));
}

/** Also forgets how agent events did that are deleted. */
async function maintainAttempts(pool: Pool, retentionMs: number): Promise<void> {
  await pool.query(`select dispatch.maintain_partitions($1 * interval '1 ms')`, [retentionMs]);
  await pool.query(`
    delete from dispatch.event_health h
    where not exists (select from subscription.agent_event e where e.id = h.agent_event_id)`);
}
