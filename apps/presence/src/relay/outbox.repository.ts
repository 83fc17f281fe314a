import type { Pool } from 'pg';
import { queryBriefly, statusChangeColumns } from '#database';
import type { OutboxEntry } from '../log/agent-write.js';
import type { OutboxSample } from '../metrics.js';

/** What waits to be published. */
export interface OutboxPage {
  readonly entries: OutboxEntry[];
  /** Positions of changes that the log no longer holds: their partition was dropped before they could be published. */
  readonly expired: number[];
}

/**
 * One round trip a batch: takes away what was published and reads what comes next. Both see the same snapshot, so the
 * read leaves out by itself what is being deleted, and what is on its way: by `not in` a set, which is hashed, where `<> all`
 * compares each row with each position once the plan is generic. The lateral `limit 1` keeps the planner from ever joining the log as a
 * whole, which it would like to while it has no statistics of an outbox that is mostly empty.
 */
const ADVANCE_OUTBOX = {
  name: 'presence_advance_outbox',
  text: `
    with gone as (
      delete from presence.outbox where position = any ($1::bigint[])
    ), head as materialized (
      select position, shard, change_id from presence.outbox
      where shard = any ($2::smallint[]) and position not in (select unnest($1::bigint[] || $3::bigint[]))
      order by position limit $4
    )
    select head.position, head.shard, ${statusChangeColumns('s')}
    from head left join lateral (select * from presence.status_change where id = head.change_id limit 1) s on true
    order by head.position`,
};

/** A row whose change is not in the log. */
interface ExpiredRow {
  readonly position: number;
  readonly id: null;
}

/** Which part of the outbox to delete and to read. */
export interface OutboxState {
  /** Positions of what is durable on the bus. */
  readonly published: readonly number[];
  /** Positions of what is sent, and not durable yet. */
  readonly underway: readonly number[];
  /** Shards to read. */
  readonly shards: readonly number[];
}

/** Deletes published rows and reads the next ones of some shards, in order of position, without those that are on their way. */
export async function advanceOutbox(
  pool: Pool,
  { published, underway, shards }: OutboxState,
  limit: number,
): Promise<OutboxPage> {
  const values = [`{${published.join()}}`, `{${shards.join()}}`, `{${underway.join()}}`, limit];
  const { rows } = await pool.query<OutboxEntry | ExpiredRow>({ ...ADVANCE_OUTBOX, values });
  const entries = rows.filter((row) => row.id !== null);
  const expired = rows.filter((row) => row.id === null).map(({ position }) => position);
  return { entries, expired };
}

/** Deletes published rows, with no further read: the last thing before a stop. */
export async function deletePublished(pool: Pool, published: readonly number[]): Promise<void> {
  await pool.query('delete from presence.outbox where position = any ($1::bigint[])', [published]);
}

/** Rows of the outbox that a sample counts at most, … */
const SAMPLE_LIMIT = 1_000_000;
/** … and longest that it may take, in milliseconds. */
const SAMPLE_MS = 2000;

/**
 * Reads what waits to be published, of all instances, for gauges.
 *
 * @returns how many changes, counted no further than a million, and how long the oldest has waited, in seconds
 */
export async function sampleOutbox(pool: Pool): Promise<OutboxSample> {
  const [sample] = await queryBriefly<{ rows: number; oldest_seconds: number }>(
    pool,
    `select (select count(*) from (select from presence.outbox limit ${SAMPLE_LIMIT}) waiting) as rows,
            coalesce(greatest(0, extract(epoch from clock_timestamp()) - (
              select ('x' || translate(left(change_id::text, 13), '-', ''))::bit(48)::bigint / 1000.0
              from presence.outbox order by position limit 1
            )), 0)::double precision as oldest_seconds`,
    SAMPLE_MS,
  );
  return { rows: sample!.rows, oldestSeconds: sample!.oldest_seconds };
}
