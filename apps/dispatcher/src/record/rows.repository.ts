import type { Pool, PoolClient } from 'pg';
import { arrayOfPlain } from '#database';
import { HEAD, headOf, headOfLine, type HeadLine } from '../backlog/head.repository.js';
import type { Change } from '../lanes/agent-work.js';
import { leaseHeld } from '../lanes/shard-lease.repository.js';
import type { ShardLease } from '../lanes/shard-leases.js';
import { ATTEMPT, attemptColumns, leaseValues } from './record.repository.js';
import type { RowOutcome } from './snapshot.js';

/**
 * Locks the rows that are written, where they still are what they were, and the leases of their shards. A statement of its own, as is
 * each that follows: PostgreSQL 18.4 crashes where one that prunes partitions as it runs has to look again at a row that it waited
 * for; and what follows sees everything that was done before the locks were had.
 */
const LOCK_ROWS = {
  name: 'dispatch_lock_rows',
  text: `
    with ${leaseHeld('$1', '$2', '$3')}
    select r.nth::integer
    from unnest($4::integer[], $5::bigint[], $6::bigint[], $7::bigint[], $8::integer[])
      with ordinality as r (shard, agent_event_id, agent_id, next_sequence, version, nth)
    cross join lateral (
      select from dispatch.behind b
      where b.agent_event_id = r.agent_event_id and b.agent_id = r.agent_id
        and b.next_sequence = r.next_sequence and b.version = r.version
      for update) b
    where r.shard in (select shard from lease)`,
};

/**
 * Logs the attempts, and moves each row on to its next change, gives it another moment, or lets it go when nothing waits any more. The
 * rows are locked, so they are found again by their places: a join by their keys reads the whole table as long as the statistics say
 * that it is empty.
 */
const WRITE_ROWS = {
  name: 'dispatch_write_rows',
  text: `
    with mine as materialized (
      select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::double precision[], $6::uuid[], $7::bigint[])
        as r (agent_event_id, agent_id, sent, kind, due_ms, blocked_by, blocked_by_event)),
    logged as (
      insert into dispatch.attempt (${ATTEMPT})
      select * from unnest($8::bigint[], $9::uuid[], $10::smallint[], $11::timestamptz[], $12::integer[], $13::text[],
                           $14::smallint[], $15::text[], $16::text[])
      on conflict do nothing),
    headed as materialized (
      select b.place, b.agent_event_id, b.agent_id, b.client_id, m.kind, ${HEAD}
      from mine m
      cross join lateral (
        select b.ctid as place, b.* from dispatch.behind b
        where b.agent_event_id = m.agent_event_id and b.agent_id = m.agent_id offset 0) b
      left join lateral (select * from subscription.agent_event e where e.id = b.agent_event_id limit 1) e on true
      left join lateral (
        select c.last_sequence from dispatch.agent_cursor c where c.client_id = b.client_id and c.agent_id = b.agent_id limit 1) c on true
      ${headOf(`m.sent + 1 and m.kind = 'next'`, '$17::double precision')}),
    gone as (
      delete from dispatch.behind b using headed h
      where b.ctid = h.place and (h.kind = 'drop' or (h.kind = 'next' and h.change_id is null))),
    moved as (
      update dispatch.behind b
      set next_sequence = h.sequence, version = b.version + 1, attempts = 0, due_at = now(), sending_until = null, head_change_id = h.change_id,
          head_expires_at = now() + h.expires_in_ms * interval '1 ms', blocked_by = null, blocked_by_event = null
      from headed h
      where b.ctid = h.place and h.kind = 'next' and h.change_id is not null),
    kept as (
      update dispatch.behind b
      set version = b.version + 1, attempts = case m.kind when 'retry' then b.attempts + 1 else b.attempts end,
          due_at = now() + m.due_ms * interval '1 ms', sending_until = null, blocked_by = m.blocked_by, blocked_by_event = m.blocked_by_event
      from mine m
      join headed h on h.agent_event_id = m.agent_event_id and h.agent_id = m.agent_id
      where b.ctid = h.place and m.kind in ('retry', 'wait'))
    select * from headed`,
};

/**
 * Whatever moves on or goes wakes what sleeps of its agent. A sleeping row that somebody else writes in the same moment is not found at
 * its new place: whoever writes one wakes it or deletes it.
 */
const WAKE_SIBLINGS = {
  name: 'dispatch_wake_siblings',
  text: `
    update dispatch.behind b set due_at = now(), blocked_by = null, blocked_by_event = null
    from (select distinct client_id, agent_id from unnest($1::bigint[], $2::bigint[]) as m (client_id, agent_id)) m
    cross join lateral (
      select b.ctid as place from dispatch.behind b
      where b.client_id = m.client_id and b.agent_id = m.agent_id and b.due_at is null
        and (b.agent_event_id, b.agent_id) not in (select * from unnest($3::bigint[], $4::bigint[]))
      for update) h
    where b.ctid = h.place`,
};

/**
 * Wakes those of what has just fallen asleep whose delivery ahead is not ahead of them any more: it may have ended in the same batch, and
 * whoever ends wakes only what slept before.
 */
const WAKE_UNBLOCKED = {
  name: 'dispatch_wake_unblocked',
  text: `
    update dispatch.behind b set due_at = now(), blocked_by = null, blocked_by_event = null
    from unnest($1::bigint[], $2::bigint[]) as m (agent_event_id, agent_id)
    cross join lateral (
      select b.ctid as place from dispatch.behind b where b.agent_event_id = m.agent_event_id and b.agent_id = m.agent_id offset 0) h
    where b.ctid = h.place and b.due_at is null
      and not exists (
        select from dispatch.behind o
        where o.agent_event_id = b.blocked_by_event and o.agent_id = b.agent_id and o.next_sequence < b.next_sequence offset 0)`,
};

export interface WrittenRow {
  readonly agentEventId: number;
  readonly agentId: number;
  readonly clientId: number;
  /** The next head of one that moved on. */
  readonly head: Change | undefined;
}

/**
 * Writes what became of rows. Decided by what the log and the cursors are when the rows are locked; nobody but the owner of the shard
 * moves those.
 *
 * @returns those that were written, by `agent event:agent`; the others are not this instance's, or were written before
 */
export async function writeRows(
  pool: Pool,
  owner: string,
  outcomes: readonly RowWrite[],
  windowMs: number,
): Promise<Map<string, WrittenRow>> {
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    await client.query('begin');
    const written = await writeLocked(client, owner, outcomes, windowMs);
    await client.query('commit');
    return written;
  } catch (error) {
    failure = error as Error;
    await client.query('rollback').catch(() => undefined); // the connection is closed below
    throw error;
  } finally {
    client.release(failure);
  }
}

type RowWrite = RowOutcome & { readonly lease: ShardLease; readonly agentId: number };

async function writeLocked(
  client: PoolClient,
  owner: string,
  outcomes: readonly RowWrite[],
  windowMs: number,
): Promise<Map<string, WrittenRow>> {
  const { rows: locked } = await client.query<{ nth: number }>({
    ...LOCK_ROWS,
    values: [
      ...leaseValues(owner, [...new Set(outcomes.map(({ lease }) => lease))]),
      arrayOfPlain(outcomes, ({ lease }) => lease.shard),
      arrayOfPlain(outcomes, ({ row }) => row.agentEventId),
      arrayOfPlain(outcomes, ({ agentId }) => agentId),
      arrayOfPlain(outcomes, ({ next }) => next),
      arrayOfPlain(outcomes, ({ version }) => version),
    ],
  });
  const mine = locked.map(({ nth }) => outcomes[nth - 1]!);
  if (mine.length === 0) return new Map();
  const readAt = performance.now();
  const records = mine.flatMap(({ result }) => ('record' in result && result.record ? [result.record] : []));
  const { rows } = await client.query<HeadLine & { agent_event_id: number; client_id: number }>({
    ...WRITE_ROWS,
    values: [
      arrayOfPlain(mine, ({ row }) => row.agentEventId),
      arrayOfPlain(mine, ({ agentId }) => agentId),
      arrayOfPlain(mine, ({ row, next }) => row.head?.sequence ?? next),
      arrayOfPlain(mine, ({ result }) => result.kind),
      arrayOfPlain(mine, ({ result }) => ('dueMs' in result ? result.dueMs?.toFixed(3) : undefined)),
      arrayOfPlain(mine, ({ result }) => ('blockedBy' in result ? result.blockedBy?.head?.id : undefined)),
      arrayOfPlain(mine, ({ result }) => ('blockedBy' in result ? result.blockedBy?.agentEventId : undefined)),
      ...attemptColumns(records),
      windowMs,
    ],
  });
  const movedOn = mine.filter(({ result }) => result.kind !== 'wait');
  if (movedOn.length > 0) {
    await client.query({
      ...WAKE_SIBLINGS,
      values: [
        arrayOfPlain(movedOn, ({ row }) => row.clientId),
        arrayOfPlain(movedOn, ({ agentId }) => agentId),
        arrayOfPlain(mine, ({ row }) => row.agentEventId),
        arrayOfPlain(mine, ({ agentId }) => agentId),
      ],
    });
  }
  const asleep = mine.filter(({ result }) => result.kind === 'wait' && result.blockedBy !== undefined);
  if (asleep.length > 0) {
    await client.query({
      ...WAKE_UNBLOCKED,
      values: [arrayOfPlain(asleep, ({ row }) => row.agentEventId), arrayOfPlain(asleep, ({ agentId }) => agentId)],
    });
  }
  return new Map(
    rows.map((row) => [
      `${row.agent_event_id}:${row.agent_id}`,
      { agentEventId: row.agent_event_id, agentId: row.agent_id, clientId: row.client_id, head: headOfLine(row, readAt) },
    ]),
  );
}
