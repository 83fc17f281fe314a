import type { Pool } from 'pg';
import type { StatusChange, UndoneSpan } from '#contracts';
import { arrayOfPlain, statusChangeColumns } from '#database';

const COLUMNS = statusChangeColumns('s');

/** Young enough to be notified; the ids leave out older partitions. */
const IN_WINDOW = `
  s.changed_at > now() - window_ms * interval '1 ms'
  and s.id >= presence.uuid_v7_floor(now() - window_ms * interval '1 ms' - interval '1 hour')`;

/** An agent's part of the log: above `after`, below `before`. */
export interface Gap {
  readonly clientId: number;
  readonly agentId: number;
  readonly after: number;
  readonly before: number;
}

/** Reads from the log what the topic has left out. */
export async function readGaps(pool: Pool, gaps: readonly Gap[], windowMs: number): Promise<StatusChange[]> {
  const { rows } = await pool.query<StatusChange>({
    name: 'dispatch_read_gaps',
    text: `
      select s.*
      from (select *, $5::double precision as window_ms
            from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) as a (client_id, agent_id, after, before)) a
      cross join lateral (
        select ${COLUMNS} from presence.status_change s
        where s.client_id = a.client_id and s.agent_id = a.agent_id and s.sequence > a.after and s.sequence < a.before and ${IN_WINDOW}
        offset 0) s`,
    values: [
      arrayOfPlain(gaps, ({ clientId }) => clientId),
      arrayOfPlain(gaps, ({ agentId }) => agentId),
      arrayOfPlain(gaps, ({ after }) => after),
      arrayOfPlain(gaps, ({ before }) => before),
      windowMs,
    ],
  });
  return rows;
}

/** Reads what lies beyond the agents' cursors of a part of the log, positions above `after` up to `upTo`. */
export async function readUnplannedBetween(pool: Pool, after: number, upTo: number, windowMs: number): Promise<StatusChange[]> {
  const { rows } = await pool.query<StatusChange>({
    name: 'dispatch_read_unplanned_between',
    text: `
      select ${COLUMNS}
      from (select $3::double precision as window_ms) w
      cross join presence.status_change s
      left join lateral (
        select c.last_sequence from dispatch.agent_cursor c
        where c.client_id = s.client_id and c.agent_id = s.agent_id limit 1) c on true
      where s.position > $1 and s.position <= $2 and s.sequence > coalesce(c.last_sequence, 0) and ${IN_WINDOW}
      order by s.client_id, s.agent_id, s.sequence`,
    values: [after, upTo, windowMs],
  });
  return rows;
}

/**
 * Reads the last position that was given out, whether or not it can be seen yet: of changes, and of the directory's entries beside them.
 */
export async function lastPosition(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ position: number }>(
    'select case when is_called then last_value else 0 end as position from presence.status_change_position',
  );
  return rows[0]!.position;
}

/** Reads what restores have undone; nearly always nothing. */
export async function readUndoneSpans(pool: Pool): Promise<UndoneSpan[]> {
  const { rows } = await pool.query<{ after: number; until: number }>(
    'select after_position as after, until_position as until from presence.restore',
  );
  return rows;
}

/** Reads the position up to which the log has been compared with the cursors of all these shards' agents. */
export async function sweptPosition(pool: Pool, shards: readonly number[]): Promise<number> {
  const { rows } = await pool.query<{ position: number }>(
    'select coalesce(min(position), 0) as position from dispatch.shard_sweep where shard = any ($1::integer[])',
    [shards],
  );
  return rows[0]!.position;
}

/**
 * Notes that a part of the log was compared for shards, positions above `after` up to `upTo`: for those that were compared up to there
 * before. It holds whoever has the shards, since a cursor never goes back; but not once there is another number of them than `base`.
 */
export async function moveSweptPosition(
  pool: Pool,
  base: number,
  shards: readonly number[],
  after: number,
  upTo: number,
): Promise<void> {
  await pool.query(
    `with base as materialized (select from dispatch.shard_base where partitions = $1 for share)
     update dispatch.shard_sweep set position = $4
     where shard = any ($2::integer[]) and position >= $3 and position < $4 and exists (select from base)`,
    [base, shards, after, upTo],
  );
}
