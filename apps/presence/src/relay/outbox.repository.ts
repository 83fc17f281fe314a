import type { Pool } from 'pg';
import { queryBriefly } from '#database';
import type { AgentStatus, AgentType, EventSource, StatusChange } from '#contracts';
import { millisecondsOf } from '../log/milliseconds.js';
import type { OutboxSample } from '../metrics.js';

/** A change that waits to be published. */
export interface OutboxRow {
  readonly position: number;
  /** Undefined where the log no longer holds the change: its partition was dropped before it could be published. */
  readonly change: StatusChange | undefined;
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
      select position, change_id from presence.outbox
      where shard = any ($2::smallint[]) and position not in (select unnest($1::bigint[] || $3::bigint[]))
      order by position limit $4
    )
    select head.position, head.change_id, s.client_id, s.agent_id, s.agent_type, s.name, s.agent_status, s.event_source, s.sequence,
           ${millisecondsOf('s.occurred_at')}, ${millisecondsOf('s.changed_at')}, s.traceparent
    from head left join lateral (select * from presence.status_change where id = head.change_id limit 1) s on true
    order by head.position`,
};

type Row = [
  position: number,
  id: string,
  clientId: number | null,
  agentId: number,
  agentType: AgentType,
  name: string,
  agentStatus: AgentStatus,
  eventSource: EventSource,
  sequence: number,
  occurredAt: number,
  changedAt: number,
  traceparent: string | null,
];

/** Of the outbox, by position and shard. */
export interface OutboxState {
  /** Durable on the bus. */
  readonly published: readonly number[];
  /** Sent, and not durable yet. */
  readonly underway: readonly number[];
  /** Those to be read. */
  readonly shards: readonly number[];
}

/** Deletes published rows and reads the next ones of some shards, in order of position, without those that are on their way. */
export async function advanceOutbox(
  pool: Pool,
  { published, underway, shards }: OutboxState,
  limit: number,
): Promise<OutboxRow[]> {
  const values = [`{${published.join()}}`, `{${shards.join()}}`, `{${underway.join()}}`, limit];
  const { rows } = await pool.query<Row>({ ...ADVANCE_OUTBOX, rowMode: 'array', values });
  return rows.map((row) => ({ position: row[0], change: row[2] === null ? undefined : toChange(row, row[2]) }));
}

function toChange(row: Row, clientId: number): StatusChange {
  const [, id, , agentId, agentType, name, agentStatus, eventSource, sequence, occurredAt, changedAt, traceparent] = row;
  return {
    id,
    clientId,
    agentId,
    agentType,
    name,
    agentStatus,
    eventSource,
    sequence,
    occurredAt: new Date(occurredAt),
    changedAt: new Date(changedAt),
    traceparent: traceparent ?? undefined,
  };
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
 * What waits to be published, of all instances, for gauges.
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
