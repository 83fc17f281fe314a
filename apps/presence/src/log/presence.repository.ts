import type { Pool } from 'pg';
import type { AgentKey, AgentStatus, EventSource, StatusChange } from '#contracts';
import { arrayOfPlain, arrayOfTexts } from '#database';
import type { Hop } from '#tracing';
import type { AgentState } from '../decision/presence-decision.js';
import { millisecondsOf } from './milliseconds.js';
import { assertMoved, movesFrom, SET_POSITION, valuesOfMoves, type PositionMove } from './telemetry-position.repository.js';

/** A change that was decided and is not yet written. */
export interface DecidedChange {
  /** UUIDv7. */
  readonly id: string;
  readonly name: string;
  readonly agentStatus: AgentStatus;
  readonly eventSource: EventSource;
  readonly sequence: number;
  /** As reported, in milliseconds since the epoch; undefined: as of its receipt, which the database tells. */
  readonly occurredAt: number | undefined;
  /** Ended once it is committed. */
  readonly hop: Hop;
}

/** One agent's row as it was read and as it shall be, with the changes between the two in order. */
export interface AgentWrite extends AgentKey {
  /** Undefined for a never-seen agent. */
  readonly before: AgentState | undefined;
  readonly after: AgentState;
  readonly changes: readonly DecidedChange[];
}

/** A change that was committed, and waits in the outbox to be published. */
export interface CommittedChange {
  /** Of its row in the log and in the outbox. */
  readonly position: number;
  /** Of the outbox. */
  readonly shard: number;
  readonly change: StatusChange;
}

const LOCAL = 1;
const AVAILABLE = 2;
const REMOVED = 4;

/**
 * The states of agents `a`, each with its place `ord` in the caller's arrays. One row of JSON columns instead of a row an
 * agent: to read them is nearly all that a repeat costs, and the driver takes rows apart at several times JSON.parse's cost.
 */
const statesOf = (ord: string): string => `
    json_agg(${ord}), json_agg(a.sequence), json_agg(a.name),
    json_agg((a.agent_type = 'local')::integer * ${LOCAL} + (a.agent_status = 'available')::integer * ${AVAILABLE}
      + (a.deleted_at is not null)::integer * ${REMOVED}),
    json_agg(${millisecondsOf('a.changed_at')})`;

const READ_STATES = {
  name: 'presence_read_states',
  text: `
    select ${statesOf('k.ord')}
    from unnest($1::bigint[], $2::bigint[]) with ordinality as k(client_id, agent_id, ord)
    cross join lateral (select * from presence.agent a where a.client_id = k.client_id and a.agent_id = k.agent_id limit 1) a`,
};

/** Columns in the same order of agents; null where there is none. */
type StateColumns = [ords: number[] | null, sequences: number[], names: string[], flags: number[], changedAts: (number | null)[]];

/** The states by the agents' places in the caller's arrays, from 0. */
function statesIn([ords, sequences, names, flags, changedAts]: StateColumns): [place: number, state: AgentState][] {
  return (ords ?? []).map((ord, nth) => [
    ord - 1,
    {
      agentType: flags[nth]! & LOCAL ? 'local' : 'remote',
      name: names[nth]!,
      agentStatus: flags[nth]! & AVAILABLE ? 'available' : 'logged_out',
      sequence: sequences[nth]!,
      changedAt: changedAts[nth]!,
      removed: (flags[nth]! & REMOVED) !== 0,
    },
  ]);
}

/**
 * Reads what is known of some agents, in one statement.
 *
 * @param keys distinct agents
 * @returns in the order of `keys`; undefined for a never-seen agent
 */
export async function readStates(pool: Pool, keys: readonly AgentKey[]): Promise<(AgentState | undefined)[]> {
  const states = new Array<AgentState | undefined>(keys.length).fill(undefined);
  const values = [arrayOfPlain(keys, (key) => key.clientId), arrayOfPlain(keys, (key) => key.agentId)];
  const { rows } = await pool.query<StateColumns>({ ...READ_STATES, rowMode: 'array', values });
  for (const [place, state] of statesIn(rows[0]!)) states[place] = state;
  return states;
}

/**
 * As of when a change counts, in SQL: as reported, but not ahead of its receipt, which is now by the only clock that decides:
 * ADR 19. What did not say when it occurred comes as infinity.
 */
const asOf = (ms: string): string => `least(to_timestamp(${ms} / 1000), date_trunc('milliseconds', clock_timestamp()))`;

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
function compareAndSetText(withPositions: boolean): string {
  const inPlace = withPositions ? '(select count(*) from held_position) = (select count(*) from move)' : 'true';
  return `
    with want as materialized (
      select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::float8[],
                           $8::bigint[], $9::text[], $10::text[], $11::boolean[])
        with ordinality as w(client_id, agent_id, agent_type, name, agent_status, sequence, changed_ms,
                             seen_sequence, seen_type, seen_name, seen_removed, ord)
    ),${
      withPositions
        ? `
    move as materialized (
      select * from ${movesFrom(21)}
    ), held_position as materialized (
      select p.topic_id, p.partition
      from presence.telemetry_position p join move m on p.topic_id = m.topic_id and p.partition = m.partition
      where p.version = m.seen_version
      order by p.topic_id, p.partition
      for update of p
    ),`
        : ''
    } new_client as (
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
    )${
      withPositions
        ? `, moved as (
      update presence.telemetry_position p
      set ${SET_POSITION},
          undecided = coalesce((
            select jsonb_build_object('from', m.from_offset,
              'agents', jsonb_agg(jsonb_build_array(w.client_id, w.agent_id)) || coalesce(m.undecided::jsonb -> 'agents', '[]'))
            from want w where w.ord not in (select ord from written) having count(*) > 0), m.undecided::jsonb)
      from held_position h join move m on m.topic_id = h.topic_id and m.partition = h.partition
      where p.topic_id = h.topic_id and p.partition = h.partition and ${inPlace}
      returning p.version
    )`
        : ''
    }
    select (select json_build_array(json_agg(ord), json_agg(${millisecondsOf('changed_at')})) from written) as written,
           pg_current_xact_id_if_assigned()::text as xid,
           (select json_build_array(json_agg(id), json_agg(position), json_agg(shard),
                                    json_agg(${millisecondsOf('occurred_at')}), json_agg(${millisecondsOf('changed_at')}))
            from of_caller) as of_caller,
           (select json_build_array(${statesOf('a.ord')}) from lost a) as lost,
           ${withPositions ? '(select count(*) from moved)' : '0'} as moved,
           (select count(pg_notify('rollcall_outbox', ''))
            from (select 1 from located where shard <> all ($19::smallint[]) limit 1) of_others) as notified`;
}

const COMPARE_AND_SET = { name: 'presence_compare_and_set', text: compareAndSetText(false) };
const COMPARE_AND_SET_AT = { name: 'presence_compare_and_set_at', text: compareAndSetText(true) };

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

/** What became of a batch of writes. */
export interface Outcome {
  /** The agents that were written as they are now, by index: when they changed is what the database says. */
  readonly written: ReadonlyMap<number, AgentState>;
  /** The writes that lost to somebody else, by index, with what is known of their agents now: decide again. */
  readonly lost: ReadonlyMap<number, AgentState | undefined>;
  /** The changes in shards that this instance publishes itself, in order. */
  readonly committed: CommittedChange[];
  /** The transaction that wrote; undefined where nothing was written. */
  readonly xid: string | undefined;
}

/**
 * Writes what was decided where the agents are still as they were read.
 *
 * @param writes of distinct agents
 * @param ownShards shards that this instance publishes itself
 * @param moves of the partitions that the items came from; none over HTTP
 * @throws PositionMovedError; nothing was written then
 */
export async function compareAndSet(
  pool: Pool,
  writes: readonly AgentWrite[],
  ownShards: readonly number[],
  moves: readonly PositionMove[],
): Promise<Outcome> {
  const changes = writes.flatMap((write, index) => write.changes.map((change) => ({ agentOrd: index + 1, ...change })));
  const { rows } = await pool.query<{
    written: WrittenColumns;
    xid: string | null;
    of_caller: CommittedColumns;
    lost: StateColumns;
    moved: number;
  }>({
    ...(moves.length > 0 ? COMPARE_AND_SET_AT : COMPARE_AND_SET),
    values: [
      arrayOfPlain(writes, (write) => write.clientId),
      arrayOfPlain(writes, (write) => write.agentId),
      arrayOfPlain(writes, ({ after }) => after.agentType),
      arrayOfTexts(writes, ({ after }) => after.name),
      arrayOfPlain(writes, ({ after }) => after.agentStatus),
      arrayOfPlain(writes, ({ after }) => after.sequence),
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
      ...(moves.length > 0 ? valuesOfMoves(moves) : []),
    ],
  });
  const { written, xid, of_caller, lost, moved } = rows[0]!;
  assertMoved(moves, moved);
  const states = writtenOf(writes, written);
  return {
    written: states,
    lost: lostOf(writes, states, lost),
    committed: committedOf(writes, of_caller),
    xid: xid ?? undefined,
  };
}

/** Of the last change; Infinity where that did not say, undefined where there is none. */
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
): CommittedChange[] {
  if (ids === null) return [];
  const byId = new Map(writes.flatMap((write) => write.changes.map((change) => [change.id, { write, change }])));
  return ids.map((id, nth) => {
    const { write, change } = byId.get(id)!;
    const { clientId, agentId, after } = write;
    const { name, agentStatus, eventSource, sequence } = change;
    return {
      position: positions[nth]!,
      shard: shards[nth]!,
      change: {
        id,
        clientId,
        agentId,
        agentType: after.agentType,
        name,
        agentStatus,
        eventSource,
        sequence,
        occurredAt: new Date(occurredAts[nth]!),
        changedAt: new Date(changedAts[nth]!),
        traceparent: change.hop.traceparent,
      },
    };
  });
}

/** Makes the partitions of the days ahead. */
export async function addPartitions(pool: Pool): Promise<void> {
  await pool.query('select presence.add_partitions()');
}

/**
 * Drops the partitions beyond the retention (milliseconds).
 *
 * @throws Error where somebody reads them, such as pg_dump: they are left for the next time
 */
export async function dropPartitions(pool: Pool, retentionMs: number): Promise<void> {
  const { rows } = await pool.query<{ done: boolean }>(`select presence.drop_partitions($1 * interval '1 ms') as done`, [
    retentionMs,
  ]);
  if (!rows[0]!.done)
    throw new Error('partitions of presence.status_change beyond the retention are in use; they are dropped later');
}

/** Directory changes that are deleted at a time. */
const DROPPED_AT_ONCE = 5000;

/** Deletes directory changes beyond the retention (milliseconds), a bounded piece at a time. */
export async function dropDirectoryChanges(pool: Pool, retentionMs: number): Promise<void> {
  let dropped = DROPPED_AT_ONCE;
  while (dropped === DROPPED_AT_ONCE) {
    const { rows } = await pool.query<{ dropped: number }>(
      `select presence.drop_directory_changes(make_interval(secs => $1), $2) as dropped`,
      [retentionMs / 1000, DROPPED_AT_ONCE],
    );
    dropped = rows[0]!.dropped;
  }
}
