import type { Pool } from '#database';
import type { PeriodicWork } from '#runtime';
import { addPartitions, dropDirectoryChanges, dropPartitions } from './presence.repository.js';
import { dropOldWrites } from './recent-write.repository.js';

/** Often, since what is in use is left for the next time. */
const PARTITIONS_MS = 600_000;
/** Each note of a write is kept for one to two of these. */
const RECENT_WRITES_MS = 60_000;

/**
 * Keeps a week of partitions ahead of the log and drops what is beyond the retention (milliseconds), of the directory's log too,
 * every ten minutes; drops old notes of who was written, every minute. Nothing of it waits in front of writers. One instance
 * suffices, several do no harm; nor does a failure, for as long as there are partitions.
 *
 * @returns after the first time, done at once: a database that nobody served for a week has no partition of today
 */
export async function maintainLog(work: PeriodicWork, pool: Pool, retentionMs: number): Promise<void> {
  await work.atOnceAndEvery(PARTITIONS_MS, () => addPartitions(pool));
  await work.atOnceAndEvery(PARTITIONS_MS, () => dropPartitions(pool, retentionMs));
  // After those, since what stands among status changes that are kept is kept.
  await work.atOnceAndEvery(PARTITIONS_MS, () => dropDirectoryChanges(pool, retentionMs));
  await work.atOnceAndEvery(RECENT_WRITES_MS, () => dropOldWrites(pool, RECENT_WRITES_MS));
}
