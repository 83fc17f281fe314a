import type { Pool } from 'pg';
import { arrayOfPlain, arrayOfTexts } from '#database';
import type { AttemptRecord } from '../lanes/agent-work.js';
import { leaseHeld } from '../lanes/shard-lease.repository.js';
import type { ShardLease } from '../lanes/shard-leases.js';
import type { Recorded, AgentSnapshot } from './snapshot.js';

/** What is logged of an attempt, in the order of {@link attemptColumns}. */
export const ATTEMPT = 'agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome, http_status, error, response';

/**
 * The one write of a batch: moves the agents' cursors, appends the attempts, and adds rows for what falls behind; nothing of it for
 * an agent whose shard is not this instance's any more, or whose cursor is not where it was. `version` carries the cursor that is
 * expected, which an update has no other column for; it is not stored.
 */
const RECORD = {
  name: 'dispatch_record',
  text: `
    with ${leaseHeld('$1', '$2', '$3')},
    agent as materialized (
      select a.* from unnest($4::integer[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::boolean[])
        as a (shard, client_id, agent_id, expected, newest, ahead)
      where a.shard in (select shard from lease)),
    moved as (
      insert into dispatch.agent_cursor as c (client_id, agent_id, last_sequence, version, ahead)
      select client_id, agent_id, newest, expected, ahead from agent
      on conflict (client_id, agent_id) do update
        set last_sequence = excluded.last_sequence, ahead = excluded.ahead
        where c.last_sequence = excluded.version
      returning client_id, agent_id),
    logged as (
      insert into dispatch.attempt (${ATTEMPT})
      select ${ATTEMPT}
      from unnest($10::bigint[], $11::bigint[], $12::bigint[], $13::uuid[], $14::smallint[], $15::timestamptz[], $16::integer[],
                  $17::text[], $18::smallint[], $19::text[], $20::text[])
        as r (client_id, agent_id, ${ATTEMPT})
      where (client_id, agent_id) in (select client_id, agent_id from moved)
      on conflict do nothing),
    behind as (
      insert into dispatch.behind as b
        (agent_event_id, client_id, agent_id, hash, next_sequence, attempts, due_at, sending_until, head_change_id, head_expires_at,
         blocked_by, blocked_by_event)
      select r.agent_event_id, r.client_id, r.agent_id, r.hash, r.next_sequence, r.attempts,
             now() + r.due_ms * interval '1 ms', case when r.out then now() + r.due_ms * interval '1 ms' end,
             r.change_id, now() + r.expires_ms * interval '1 ms', r.blocked_by, r.blocked_by_event
      from unnest($21::bigint[], $22::bigint[], $23::bigint[], $24::integer[], $25::bigint[], $26::smallint[], $27::double precision[],
                  $28::boolean[], $29::uuid[], $30::double precision[], $31::uuid[], $32::bigint[])
        as r (agent_event_id, client_id, agent_id, hash, next_sequence, attempts, due_ms, out, change_id, expires_ms, blocked_by, blocked_by_event)
      where (r.client_id, r.agent_id) in (select client_id, agent_id from moved)
        and exists (select from subscription.agent_event e where e.id = r.agent_event_id offset 0)
      on conflict (agent_event_id, agent_id) do update
        set next_sequence = excluded.next_sequence, attempts = excluded.attempts, due_at = excluded.due_at,
            sending_until = excluded.sending_until, head_change_id = excluded.head_change_id, head_expires_at = excluded.head_expires_at,
            blocked_by = excluded.blocked_by, blocked_by_event = excluded.blocked_by_event, version = b.version + 1
        where b.next_sequence > excluded.next_sequence),
    well as (
      delete from dispatch.event_health h
      where h.agent_event_id = any ($33::bigint[]) and h.suspended_at is null)
    select a.client_id, a.agent_id,
           (a.client_id, a.agent_id) in (select client_id, agent_id from moved) as moved,
           (select c.last_sequence from dispatch.agent_cursor c
            where c.client_id = a.client_id and c.agent_id = a.agent_id) as cursor_before
    from agent a`,
};

/** Writes snapshots in one statement. @returns by `client:agent`, those whose shards are this instance's */
export async function recordSnapshots(
  pool: Pool,
  owner: string,
  snapshots: readonly AgentSnapshot[],
  well: readonly number[],
): Promise<Map<string, Recorded>> {
  const leases = [...new Set(snapshots.map(({ agent }) => agent.lease))];
  const records = snapshots.flatMap((snapshot) => snapshot.records.map((one) => ({ ...one, agent: snapshot.agent })));
  const rows = snapshots.flatMap(({ agent, newRows }) => newRows.map((row) => ({ ...row, agent })));
  const { rows: lines } = await pool.query<{ client_id: number; agent_id: number; moved: boolean; cursor_before: number | null }>(
    {
      ...RECORD,
      values: [
        ...leaseValues(owner, leases),
        arrayOfPlain(snapshots, ({ agent }) => agent.lease.shard),
        arrayOfPlain(snapshots, ({ agent }) => agent.clientId),
        arrayOfPlain(snapshots, ({ agent }) => agent.agentId),
        arrayOfPlain(snapshots, ({ from }) => from),
        arrayOfPlain(snapshots, ({ to }) => to),
        arrayOfPlain(snapshots, ({ isAhead }) => isAhead),
        arrayOfPlain(records, ({ agent }) => agent.clientId),
        arrayOfPlain(records, ({ agent }) => agent.agentId),
        ...attemptColumns(records),
        arrayOfPlain(rows, ({ entry }) => entry.agentEventId),
        arrayOfPlain(rows, ({ agent }) => agent.clientId),
        arrayOfPlain(rows, ({ agent }) => agent.agentId),
        arrayOfPlain(rows, ({ agent }) => agent.hash),
        arrayOfPlain(rows, ({ entry }) => entry.sequence),
        arrayOfPlain(rows, ({ attempts }) => attempts),
        arrayOfPlain(rows, ({ dueMs }) => dueMs?.toFixed(3)),
        arrayOfPlain(rows, ({ isOut }) => isOut),
        arrayOfPlain(rows, ({ entry }) => entry.change.id),
        arrayOfPlain(rows, ({ entry }) => (entry.change.expiresAt - performance.now()).toFixed(3)),
        arrayOfPlain(rows, ({ blockedBy }) => blockedBy?.changeId),
        arrayOfPlain(rows, ({ blockedBy }) => blockedBy?.agentEventId),
        arrayOfPlain(well, (id) => id),
      ],
    },
  );
  return new Map(
    lines.map(({ client_id, agent_id, moved, cursor_before }) => [
      `${client_id}:${agent_id}`,
      { moved, cursorBefore: cursor_before ?? undefined },
    ]),
  );
}

/** Writes an owner and its leases as parameters, in the order in which everybody locks leases. */
export function leaseValues(owner: string, unordered: readonly ShardLease[]): [string, string, string] {
  const leases = [...unordered].sort((one, other) => one.shard - other.shard);
  return [owner, arrayOfPlain(leases, ({ shard }) => shard), arrayOfPlain(leases, ({ epoch }) => epoch)];
}

/** Writes attempts as array literals, in the order of the columns that they go to. */
export function attemptColumns(records: readonly (AttemptRecord | undefined)[]): string[] {
  return [
    arrayOfPlain(records, (one) => one?.agentEventId),
    arrayOfPlain(records, (one) => one?.changeId),
    arrayOfPlain(records, (one) => one?.attempt),
    arrayOfPlain(records, (one) => one?.attemptedAt.toISOString()),
    arrayOfPlain(records, (one) => one?.latencyMs),
    arrayOfPlain(records, (one) => one?.outcome),
    arrayOfPlain(records, (one) => one?.httpStatus),
    arrayOfTexts(records, (one) => one?.error ?? null),
    arrayOfTexts(records, (one) => one?.response ?? null),
  ];
}

/**
 * Notes that agent events have just failed: the first failure since a success begins their bad time, and one that has lasted long
 * enough suspends them.
 *
 * @returns those that were suspended by this
 */
export async function markFailing(pool: Pool, agentEventIds: readonly number[], suspendAfterMs: number): Promise<number[]> {
  const { rows } = await pool.query<{ agent_event_id: number; suspended_at: Date | null }>({
    name: 'dispatch_mark_failing',
    text: `
      insert into dispatch.event_health as h (agent_event_id, failing_since)
      select id, now() from (select distinct unnest($1::bigint[]) as id) e order by id
      on conflict (agent_event_id) do update set suspended_at = now(), suspended_reason = 'failing'
        where h.suspended_at is null and h.failing_since <= now() - $2 * interval '1 ms'
      returning agent_event_id, suspended_at`,
    values: [agentEventIds, suspendAfterMs],
  });
  return rows.filter((row) => row.suspended_at !== null).map((row) => row.agent_event_id);
}

/** Notes that agent events have answered: their bad time is over, but for those that are suspended. */
export async function markWell(pool: Pool, agentEventIds: readonly number[]): Promise<void> {
  await pool.query({
    name: 'dispatch_mark_well',
    text: 'delete from dispatch.event_health where agent_event_id = any ($1::bigint[]) and suspended_at is null',
    values: [agentEventIds],
  });
}

/** Suspends agent events that answered 410: contract §7.4. */
export async function suspendGone(pool: Pool, agentEventIds: readonly number[]): Promise<void> {
  await pool.query({
    name: 'dispatch_suspend_gone',
    text: `
      insert into dispatch.event_health as h (agent_event_id, failing_since, suspended_at, suspended_reason)
      select id, now(), now(), 'gone' from (select distinct unnest($1::bigint[]) as id) e order by id
      on conflict (agent_event_id) do update set suspended_at = now(), suspended_reason = 'gone'
        where h.suspended_at is null`,
    values: [agentEventIds],
  });
}
