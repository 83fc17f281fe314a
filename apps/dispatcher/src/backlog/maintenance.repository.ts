import type { Pool } from 'pg';
import type { PeriodicWork } from '#runtime';
import { forgetReplays } from './replay.repository.js';

/** Often, since what is in use is left for the next time. */
const PARTITIONS_MS = 600_000;

/** Attempts that are deleted at a time. */
const ROWS_AT_ONCE = 10_000;

export interface Keeping {
  /** Attempts are kept for this long after their change, in milliseconds. */
  readonly retentionMs: number;
  /** A delivery is tried for this long after its change, in milliseconds. */
  readonly windowMs: number;
}

/**
 * Keeps a week of partitions ahead of the attempt log and drops what is beyond the retention, every ten minutes. Nothing of it
 * waits in front of writers. Several instances do no harm; nor does a failure, for as long as there are partitions.
 *
 * @returns after the first time, done at once: a database that nobody served for a week has no partition of today
 */
export async function maintain(work: PeriodicWork, pool: Pool, { retentionMs, windowMs }: Keeping): Promise<void> {
  await work.atOnceAndEvery(PARTITIONS_MS, () => addPartitions(pool, windowMs));
  await work.atOnceAndEvery(PARTITIONS_MS, () => dropPartitions(pool, retentionMs));
  await work.atOnceAndEvery(PARTITIONS_MS, () => dropLateAttempts(pool, retentionMs));
  await work.atOnceAndEvery(PARTITIONS_MS, () => forgetDeletedEvents(pool));
  await work.atOnceAndEvery(PARTITIONS_MS, () => forgetReplays(pool, retentionMs));
}

/**
 * Makes the days that changes of now and of the window (milliseconds) are tried in. Not those of all that is kept: what was sent
 * again of a day that was dropped, while less was kept, would stand in their way.
 */
async function addPartitions(pool: Pool, windowMs: number): Promise<void> {
  await pool.query(`select dispatch.add_partitions($1 * interval '1 ms')`, [windowMs]);
}

/** @throws Error where somebody reads them, such as pg_dump: they are left for the next time */
async function dropPartitions(pool: Pool, retentionMs: number): Promise<void> {
  const { rows } = await pool.query<{ done: boolean }>(`select dispatch.drop_partitions($1 * interval '1 ms') as done`, [
    retentionMs,
  ]);
  if (!rows[0]!.done) throw new Error('partitions of dispatch.attempt beyond the retention are in use; they are dropped later');
}

/** Drops attempts that were made, for this long (milliseconds), at changes whose day was dropped before: they were sent again. */
async function dropLateAttempts(pool: Pool, retentionMs: number): Promise<void> {
  await pool.query(
    `delete from dispatch.attempt_other
     where ctid = any (array(
       select ctid from dispatch.attempt_other where attempted_at < now() - $1 * interval '1 ms' limit $2))`,
    [retentionMs, ROWS_AT_ONCE],
  );
}

/** Forgets how agent events did that are deleted. */
async function forgetDeletedEvents(pool: Pool): Promise<void> {
  await pool.query(`
    delete from dispatch.event_health h
    where not exists (select from subscription.agent_event e where e.id = h.agent_event_id)`);
}
