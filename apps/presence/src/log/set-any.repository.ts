import type { Pool } from 'pg';
import { arrayOfPlain, arrayOfTexts, millisecondsOf } from '#database';
import type { AgentState } from '../decision/presence-decision.js';
import { asOf, statesIn, statesOf, type StateColumns } from './agent-states.repository.js';
import { toOutboxEntry, type AgentWrite, type OutboxEntry, type WriteOutcome } from './agent-write.js';
import { commonColumns, runSetStatement, setStatement, valuesOfAgents } from './set-statement.repository.js';
import { heldPositions, movedPositions, POSITIONS_IN_PLACE, type PositionMove } from './telemetry-position.repository.js';

/**
 * Compares and sets the agents, and logs and queues the changes of those that were still as they had been read: one
 * statement, so one transaction without a round trip inside it.
 *
 * Every writer takes its locks in the same order, or two of them could wait for each other: positions, then new clients, then
 * new agents, then known agents, each by key. The `count(*) >= 0` terms are what makes a step wait for the one before it. Agents
 * are looked up one by one (a batch is small beside the table, which the planner, who knows no batch, would rather read whole)
 * and found again by their place. `held` locks and compares; a row that somebody else has just written has another place by
 * then, and is lost. A change's clock is read after that, so an agent's changes never go back in time. A change that did not
 * say when it occurred did so as of when the agent's row says that it changed.
 *
 * Nobody is notified of shards that the caller publishes itself: NOTIFY makes commits queue up behind each other. Their
 * changes are answered instead, and so are the states of the agents that were lost, as they were when the statement began.
 *
 * With positions, of records that were consumed, nothing at all is written unless each is still as it was read. They move with
 * the first statement, which notes who was lost; those are decided with the next, or by whoever consumes the records again.
 */
function setAnyText(withPositions: boolean): string {
  const inPlace = withPositions ? POSITIONS_IN_PLACE : 'true';
  return `
    with want as materialized (
      select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::float8[],
                           $8::bigint[], $9::text[], $10::text[], $11::boolean[])
        with ordinality as w(client_id, agent_id, agent_type, name, agent_status, sequence, changed_ms,
                             seen_sequence, seen_type, seen_name, seen_removed, ord)
    ), ${withPositions ? `${heldPositions(21)},` : ''} new_client as (
      insert into presence.client (client_id)
      -- Of a client that was removed, removed agents are left.
      select distinct client_id from want where (seen_sequence is null or seen_removed) and ${inPlace} order by client_id
      on conflict do nothing returning client_id
    ), new_agent as (
      insert into presence.agent (client_id, agent_id, agent_type, name, agent_status, sequence, changed_at)
      select client_id, agent_id, agent_type, name, agent_status, sequence,
             case when changed_ms is not null then ${asOf('changed_ms')} end
      from want where seen_sequence is null and ${inPlace} and (select count(*) from new_client) >= 0
      order by client_id, agent_id
      on conflict do nothing returning client_id, agent_id, changed_at
    ), seen as materialized (
      select w.ord, w.seen_sequence, w.seen_type, w.seen_name, w.seen_removed, a.place
      from want w
      cross join lateral (
        select ctid as place from presence.agent a where a.client_id = w.client_id and a.agent_id = w.agent_id limit 1) a
      where w.seen_sequence is not null
    ), held as materialized (
      select s.ord, s.place
      from seen s join presence.agent a on a.ctid = s.place
      where a.sequence = s.seen_sequence and a.agent_type = s.seen_type and a.name = s.seen_name
        and (a.deleted_at is not null) = s.seen_removed and ${inPlace} and (select count(*) from new_agent) >= 0
      order by a.client_id, a.agent_id
      for update of a
    ), set_agent as (
      update presence.agent a
      set agent_type = w.agent_type, name = w.name, agent_status = w.agent_status, sequence = w.sequence, deleted_at = null,
          changed_at = case when w.changed_ms is null then a.changed_at
                            else greatest(a.changed_at, ${asOf('w.changed_ms')}) end
      from held join want w on w.ord = held.ord
      where a.ctid = held.place
      returning w.ord, a.changed_at
    ), written as materialized (
      select ord, changed_at from set_agent
      union all
      select w.ord, n.changed_at from new_agent n join want w on w.client_id = n.client_id and w.agent_id = n.agent_id
    ), logged as (
      insert into presence.status_change
        (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at, traceparent)
      select c.id, w.client_id, w.agent_id, w.agent_type, c.name, c.agent_status, c.event_source, c.sequence,
             coalesce(to_timestamp(c.occurred_ms::float8 / 1000), written.changed_at),
             date_trunc('milliseconds', clock_timestamp()), c.traceparent
      from unnest($12::bigint[], $13::uuid[], $14::text[], $15::text[], $16::text[], $17::bigint[], $18::bigint[], $20::text[])
             with ordinality as c(agent_ord, id, name, agent_status, event_source, sequence, occurred_ms, traceparent, ord)
      join written on written.ord = c.agent_ord
      join want w on w.ord = c.agent_ord
      order by c.ord
      returning position, id, client_id, agent_id, occurred_at, changed_at
    ), located as materialized (
      select id, position, presence.shard_of(client_id, agent_id) as shard, occurred_at, changed_at from logged
    ), queued as (
      insert into presence.outbox (position, shard, change_id) select position, shard, id from located
    ), of_caller as (
      select id, position, shard, occurred_at, changed_at from located where shard = any ($19::smallint[]) order by position
    ), lost as (
      select w.ord, a.*
      from want w
      cross join lateral (select * from presence.agent a where a.client_id = w.client_id and a.agent_id = w.agent_id limit 1) a
      where w.ord not in (select ord from written)
    )${withPositions ? `, ${movedPositions('want w')}` : ''}
    select (select json_build_array(json_agg(ord), json_agg(${millisecondsOf('changed_at')})) from written) as written,
           (select json_build_array(json_agg(id), json_agg(position), json_agg(shard),
                                    json_agg(${millisecondsOf('occurred_at')}), json_agg(${millisecondsOf('changed_at')}))
            from of_caller) as of_caller,
           (select json_build_array(${statesOf('a.ord')}) from lost a) as lost,
           ${commonColumns(withPositions, 'located', 19)}`;
}

const SET_ANY = setStatement('presence_compare_and_set', setAnyText);

/** Columns in the same order of changes; null where there is none. */
type CommittedColumns = [
  ids: string[] | null,
  positions: number[],
  shards: number[],
  occurredAts: number[],
  changedAts: number[],
];

/** Columns in the same order of writes; null where there is none. */
type WrittenColumns = [ords: number[] | null, changedAts: (number | null)[]];

interface SetColumns {
  readonly written: WrittenColumns;
  readonly of_caller: CommittedColumns;
  readonly lost: StateColumns;
}

/** Writes what `compareAndSet` is given, of any kind. */
export async function setAny(
  pool: Pool,
  writes: readonly AgentWrite[],
  ownShards: readonly number[],
  moves: readonly PositionMove[],
): Promise<WriteOutcome> {
  const changes = writes.flatMap((write, index) => write.changes.map((change) => ({ agentOrd: index + 1, ...change })));
  const values = [
    ...valuesOfAgents(writes),
    arrayOfPlain(writes, (write) => changedAsOf(write)),
    arrayOfPlain(writes, ({ before }) => before?.sequence),
    arrayOfPlain(writes, ({ before }) => before?.agentType),
    arrayOfTexts(writes, ({ before }) => before?.name ?? null),
    arrayOfPlain(writes, ({ before }) => before?.removed),
    arrayOfPlain(changes, (change) => change.agentOrd),
    arrayOfPlain(changes, (change) => change.id),
    arrayOfTexts(changes, (change) => change.name),
    arrayOfPlain(changes, (change) => change.agentStatus),
    arrayOfPlain(changes, (change) => change.eventSource),
    arrayOfPlain(changes, (change) => change.sequence),
    arrayOfPlain(changes, (change) => change.occurredAt),
    arrayOfPlain(ownShards, (shard) => shard),
    arrayOfPlain(changes, ({ hop }) => hop.traceparent),
  ];
  const { written, xid, of_caller, lost } = await runSetStatement<SetColumns>(pool, SET_ANY, values, moves);
  const states = writtenOf(writes, written);
  return {
    written: states,
    lost: lostOf(writes, states, lost),
    committed: committedOf(writes, of_caller),
    xid: xid ?? undefined,
  };
}

/** Returns when the last change occurred; Infinity where it did not say, undefined where there is no change. */
function changedAsOf({ changes }: AgentWrite): number | undefined {
  const last = changes.at(-1);
  return last && (last.occurredAt ?? Infinity);
}

function writtenOf(writes: readonly AgentWrite[], [ords, changedAts]: WrittenColumns): Map<number, AgentState> {
  return new Map(ords?.map((ord, nth) => [ord - 1, { ...writes[ord - 1]!.after, changedAt: changedAts[nth]! }]));
}

function lostOf(
  writes: readonly AgentWrite[],
  written: ReadonlyMap<number, AgentState>,
  states: StateColumns,
): Map<number, AgentState | undefined> {
  if (written.size === writes.length) return new Map();
  const known = new Map(statesIn(states));
  return new Map(writes.flatMap((_, index) => (written.has(index) ? [] : [[index, known.get(index)]])));
}

function committedOf(
  writes: readonly AgentWrite[],
  [ids, positions, shards, occurredAts, changedAts]: CommittedColumns,
): OutboxEntry[] {
  if (ids === null) return [];
  const byId = new Map(writes.flatMap((write) => write.changes.map((change) => [change.id, { write, change }])));
  return ids.map((id, nth) => {
    const { write, change } = byId.get(id)!;
    return toOutboxEntry(write, change, positions[nth]!, shards[nth]!, occurredAts[nth]!, changedAts[nth]!);
  });
}
