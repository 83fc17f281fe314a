import type { Pool } from 'pg';

/** Finds running replays that may go on: the oldest of each agent event, after an id, a bounded number of them. */
export async function findRunningReplays(pool: Pool, after: number, most: number): Promise<number[]> {
  const { rows } = await pool.query<{ id: number }>({
    name: 'dispatch_running_replays',
    text: `
      select r.id from dispatch.replay r
      where r.status = 'running' and r.id > $1
        and not exists (select from dispatch.replay o
                        where o.agent_event_id = r.agent_event_id and o.id < r.id and o.status = 'running')
      order by r.id limit $2`,
    values: [after, most],
  });
  return rows.map(({ id }) => id);
}

/** Takes the next deliveries of a replay, while few of them wait, or ends it. */
export async function stepReplay(pool: Pool, id: number, most: number): Promise<void> {
  await pool.query({ name: 'dispatch_step_replay', text: 'select dispatch.step_replay($1, $2)', values: [id, most] });
}

/** Forgets replays that ended longer ago than this (milliseconds), and those of agent events that are gone. */
export async function forgetReplays(pool: Pool, retentionMs: number): Promise<void> {
  await pool.query(
    `delete from dispatch.replay r
     where r.status <> 'running'
       and (r.finished_at < now() - $1 * interval '1 ms'
         or not exists (select from subscription.agent_event e where e.id = r.agent_event_id))`,
    [retentionMs],
  );
}
