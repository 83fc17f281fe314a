import type { Pool } from 'pg';
import type { StatusChange } from '#contracts';
import { arrayOfPlain, statusChangeOf, type StatusChangeRow } from '#database';

const COLUMNS = `s.id, s.client_id, s.agent_id, s.agent_type, s.name, s.agent_status, s.event_source, s.sequence, s.occurred_at, s.changed_at`;

/** Of what the log has, what is beyond an agent's cursor and young enough to be notified; the ids leave out older partitions. */
const UNFANNED = `
  s.sequence > coalesce(c.last_sequence, 0) and s.changed_at > now() - window_ms * interval '1 ms'
  and s.id >= presence.uuid_v7_floor(now() - window_ms * interval '1 ms' - interval '1 hour')`;

/** Reads from the log what was not fanned out of the changes' agents, up to the newest of these changes. */
export async function readUnfanned(pool: Pool, changes: readonly StatusChange[], windowMs: number): Promise<StatusChange[]> {
  const { rows } = await pool.query<StatusChangeRow>({
    name: 'dispatch_read_unfanned',
    text: `
      select ${COLUMNS}
      from (select client_id, agent_id, max(sequence) as newest, $4::double precision as window_ms
            from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as a (client_id, agent_id, sequence)
            group by client_id, agent_id) a
      left join lateral (
        select c.last_sequence from dispatch.agent_cursor c
        where c.client_id = a.client_id and c.agent_id = a.agent_id limit 1) c on true
      cross join lateral (
        select ${COLUMNS} from presence.status_change s
        where s.client_id = a.client_id and s.agent_id = a.agent_id and s.sequence <= a.newest and ${UNFANNED}
        offset 0) s`,
    values: [
      arrayOfPlain(changes, ({ clientId }) => clientId),
      arrayOfPlain(changes, ({ agentId }) => agentId),
      arrayOfPlain(changes, ({ sequence }) => sequence),
      windowMs,
    ],
  });
  return rows.map(statusChangeOf);
}

/** Reads what was not fanned out of a part of the log, positions above `after` up to `upTo`. */
export async function readUnfannedBetween(pool: Pool, after: number, upTo: number, windowMs: number): Promise<StatusChange[]> {
  const { rows } = await pool.query<StatusChangeRow>({
    name: 'dispatch_read_unfanned_between',
    text: `
      select ${COLUMNS}
      from (select $3::double precision as window_ms) w
      cross join presence.status_change s
      left join lateral (
        select c.last_sequence from dispatch.agent_cursor c
        where c.client_id = s.client_id and c.agent_id = s.agent_id limit 1) c on true
      where s.position > $1 and s.position <= $2 and ${UNFANNED}
      order by s.client_id, s.agent_id, s.sequence`,
    values: [after, upTo, windowMs],
  });
  return rows.map(statusChangeOf);
}

/** The last position that was given out, whether or not it can be seen yet: of changes, and of the directory's entries beside them. */
export async function lastPosition(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ position: number }>(
    'select case when is_called then last_value else 0 end as position from presence.status_change_position',
  );
  return rows[0]!.position;
}

/** The position up to which the log has been compared with the cursors. */
export async function sweptPosition(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ position: number }>('select position from dispatch.log_sweep');
  return rows[0]!.position;
}

/** Several instances sweep side by side; whoever is ahead counts. */
export async function moveSweptPosition(pool: Pool, position: number): Promise<void> {
  await pool.query('update dispatch.log_sweep set position = $1 where position < $1', [position]);
}
