import type { Pool, PoolClient } from 'pg';
import type { AgentKey } from '#contracts';
import { arrayOfPlain } from '#database';

/** Held by who carries the old queue over, so that others wait until it is done. */
const LOCK = `hashtext('dispatch.carry_over')`;

/** Tells whether a dispatcher of a version before this one has deliveries in hand. */
export async function hasLiveLeases(pool: Pool): Promise<boolean> {
  const { rows } = await pool.query<{ live: boolean }>(
    'select exists (select from dispatch.queue where due_at > now() and lease_owner is not null) as live',
  );
  return rows[0]!.live;
}

/** @returns undefined: somebody else has the lock */
export async function lockCarryOver(pool: Pool): Promise<PoolClient | undefined> {
  const client = await pool.connect();
  try {
    const { rows } = await client.query<{ locked: boolean }>(`select pg_try_advisory_lock(${LOCK}) as locked`);
    if (rows[0]!.locked) return client;
  } catch (error) {
    client.release(true);
    throw error;
  }
  client.release();
  return undefined;
}

/** @param client of {@link lockCarryOver}; goes back to its pool */
export async function unlockCarryOver(client: PoolClient): Promise<void> {
  try {
    await client.query(`select pg_advisory_unlock(${LOCK})`);
    client.release();
  } catch {
    client.release(true); // the lock goes with the connection
  }
}

/**
 * Moves the next rows of the old queue, lane by lane in sequence: of each agent event and agent the first becomes a row of what is
 * behind, which stands for the others as well; what was sent again becomes a redelivery, due now. What belongs to a deleted agent event
 * goes.
 *
 * @returns how many rows there were to move; 0: it is empty
 */
export async function carryOver(client: PoolClient, hashOf: (agent: AgentKey) => number, most: number): Promise<number> {
  const { rows } = await client.query<{ client_id: number; agent_id: number }>(
    'select client_id, agent_id from dispatch.queue order by lane, sequence, agent_event_id limit $1',
    [most],
  );
  if (rows.length === 0) return 0;
  const agents = [...new Map(rows.map((row) => [`${row.client_id}:${row.agent_id}`, row])).values()];
  await client.query(
    `with page as materialized (
       select q.lane, q.sequence, q.agent_event_id, h.hash
       from (select lane, sequence, agent_event_id, client_id, agent_id from dispatch.queue
             order by lane, sequence, agent_event_id limit $1) q
       join unnest($2::bigint[], $3::bigint[], $4::integer[]) as h (client_id, agent_id, hash) using (client_id, agent_id)),
     moved as (
       delete from dispatch.queue q using page p
       where q.lane = p.lane and q.sequence = p.sequence and q.agent_event_id = p.agent_event_id
       returning q.*, p.hash),
     kept as materialized (
       select m.* from moved m where exists (select from subscription.agent_event e where e.id = m.agent_event_id)),
     fell_behind as (
       insert into dispatch.behind as b
         (agent_event_id, client_id, agent_id, hash, next_sequence, attempts, due_at, head_change_id, head_expires_at)
       select distinct on (agent_event_id, agent_id)
              agent_event_id, client_id, agent_id, hash, sequence, attempts, coalesce(due_at, now()), change_id, expires_at
       from kept where attempts_before = 0
       order by agent_event_id, agent_id, sequence
       on conflict (agent_event_id, agent_id) do update
         set next_sequence = excluded.next_sequence, attempts = excluded.attempts, due_at = excluded.due_at,
             head_change_id = excluded.head_change_id, head_expires_at = excluded.head_expires_at
         where excluded.next_sequence < b.next_sequence),
     lanes as (
       insert into dispatch.redelivery_lane (agent_event_id, agent_id, client_id, hash, due_at)
       select distinct on (agent_event_id, agent_id) agent_event_id, agent_id, client_id, hash, now()
       from kept where attempts_before > 0
       on conflict do nothing)
     insert into dispatch.redelivery
       (agent_event_id, change_id, client_id, agent_id, sequence, attempts, attempts_before, due_at, expires_at)
     select agent_event_id, change_id, client_id, agent_id, sequence, attempts, attempts_before, now(), expires_at
     from kept where attempts_before > 0
     on conflict do nothing`,
    [
      most,
      arrayOfPlain(agents, (row) => row.client_id),
      arrayOfPlain(agents, (row) => row.agent_id),
      arrayOfPlain(agents, (row) => hashOf({ clientId: row.client_id, agentId: row.agent_id })),
    ],
  );
  return rows.length;
}
