import type { Pool } from 'pg';
import type { AgentKey, AgentStatus, EventSource } from '#contracts';
import { arrayOfPlain, arrayOfTexts } from '#database';
import type { AgentState } from '../decision/presence-decision.js';

/** A change that was decided and is not yet written. */
export interface DecidedChange {
  /** UUIDv7. */
  readonly id: string;
  readonly name: string;
  readonly agentStatus: AgentStatus;
  readonly eventSource: EventSource;
  readonly sequence: number;
  /** Milliseconds since the epoch. */
  readonly occurredAt: number;
}

/** One agent's row as it was read and as it shall be, with the changes between the two in order. */
export interface AgentWrite extends AgentKey {
  /** Undefined for a never-seen agent. */
  readonly before: AgentState | undefined;
  readonly after: AgentState;
  readonly changes: readonly DecidedChange[];
}

const LOCAL = 1;
const AVAILABLE = 2;
const REMOVED = 4;

/**
 * Join on the arrays' ordinality, which tells the caller which agent a place is of. One row of JSON columns instead of a row an
 * agent: this statement is nearly all that a repeat costs, and the driver takes rows apart at several times JSON.parse's cost.
 * The half microsecond undoes the binary fraction, so that the floor never ends a millisecond early.
 */
const READ_STATES = {
  name: 'presence_read_states',
  text: `
    select json_agg(k.ord), json_agg(a.sequence), json_agg(a.name),
           json_agg((a.agent_type = 'local')::integer * ${LOCAL} + (a.agent_status = 'available')::integer * ${AVAILABLE}
             + (a.deleted_at is not null)::integer * ${REMOVED}),
           json_agg(floor(date_part('epoch', a.changed_at) * 1000 + 0.0005))
    from unnest($1::bigint[], $2::bigint[]) with ordinality as k(client_id, agent_id, ord)
    join presence.agent a on a.client_id = k.client_id and a.agent_id = k.agent_id`,
};

/** Columns in the same order of agents; null where none is known. */
type StateColumns = [ords: number[] | null, sequences: number[], names: string[], flags: number[], changedAts: (number | null)[]];

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
  const [ords, sequences, names, flags, changedAts] = rows[0]!;
  ords?.forEach((ord, place) => {
    states[ord - 1] = {
      agentType: flags[place]! & LOCAL ? 'local' : 'remote',
      name: names[place]!,
      agentStatus: flags[place]! & AVAILABLE ? 'available' : 'logged_out',
      sequence: sequences[place]!,
      changedAt: changedAts[place]!,
      removed: (flags[place]! & REMOVED) !== 0,
    };
  });
  return states;
}

/**
 * Compares and sets the agents, and logs and queues the changes of those that were still as they had been read: one
 * statement, so one transaction without a round trip inside it.
 *
 * Every writer takes its locks in the same order, or two of them could wait for each other: new clients, then new agents,
 * then known agents, each by key. The `count(*) >= 0` terms are what makes a step wait for the one before it. `held` locks
 * and compares, on the newest version of a row that somebody else has just written. A change's clock is read after that,
 * so an agent's changes never go back in time. Nobody is notified of shards that the caller publishes itself: NOTIFY
 * makes commits queue up behind each other.
 */
const COMPARE_AND_SET = {
  name: 'presence_compare_and_set',
  text: `
    with want as materialized (
      select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
                           $8::bigint[], $9::text[], $10::text[], $11::boolean[])
        with ordinality as w(client_id, agent_id, agent_type, name, agent_status, sequence, changed_ms,
                             seen_sequence, seen_type, seen_name, seen_removed, ord)
    ), new_client as (
      insert into presence.client (client_id)
      select distinct client_id from want where seen_sequence is null order by client_id
      on conflict do nothing returning client_id
    ), new_agent as (
      insert into presence.agent (client_id, agent_id, agent_type, name, agent_status, sequence, changed_at)
      select client_id, agent_id, agent_type, name, agent_status, sequence, to_timestamp(changed_ms::float8 / 1000)
      from want where seen_sequence is null and (select count(*) from new_client) >= 0
      order by client_id, agent_id
      on conflict do nothing returning client_id, agent_id
    ), held as materialized (
      select w.ord
      from want w join presence.agent a on a.client_id = w.client_id and a.agent_id = w.agent_id
      where a.sequence = w.seen_sequence and a.agent_type = w.seen_type and a.name = w.seen_name
        and (a.deleted_at is not null) = w.seen_removed and (select count(*) from new_agent) >= 0
      order by a.client_id, a.agent_id
      for update of a
    ), set_agent as (
      update presence.agent a
      set agent_type = w.agent_type, name = w.name, agent_status = w.agent_status, sequence = w.sequence,
          changed_at = to_timestamp(w.changed_ms::float8 / 1000), deleted_at = null
      from held join want w on w.ord = held.ord
      where a.client_id = w.client_id and a.agent_id = w.agent_id
      returning w.ord
    ), written as materialized (
      select ord from set_agent
      union all
      select w.ord from new_agent n join want w on w.client_id = n.client_id and w.agent_id = n.agent_id
    ), logged as (
      insert into presence.status_change
        (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
      select c.id, w.client_id, w.agent_id, w.agent_type, c.name, c.agent_status, c.event_source, c.sequence,
             to_timestamp(c.occurred_ms::float8 / 1000), date_trunc('milliseconds', clock_timestamp())
      from unnest($12::bigint[], $13::uuid[], $14::text[], $15::text[], $16::text[], $17::bigint[], $18::bigint[])
             with ordinality as c(agent_ord, id, name, agent_status, event_source, sequence, occurred_ms, ord)
      join written on written.ord = c.agent_ord
      join want w on w.ord = c.agent_ord
      order by c.ord
      returning position, id, client_id, agent_id
    ), queued as (
      insert into presence.outbox (position, shard, change_id)
      select position, presence.shard_of(client_id, agent_id), id from logged
      returning shard
    )
    select (select string_agg(ord::text, ',') from written) as written,
           (select count(pg_notify('rollcall_outbox', ''))
            from (select 1 from queued where shard <> all ($19::smallint[]) limit 1) of_others) as notified`,
};

/**
 * Writes what was decided where the agents are still as they were read.
 *
 * @param writes of distinct agents
 * @param ownShards shards that this instance publishes itself
 * @returns indexes of the writes that lost to somebody else: read and decide again
 */
export async function compareAndSet(pool: Pool, writes: readonly AgentWrite[], ownShards: readonly number[]): Promise<number[]> {
  const changes = writes.flatMap((write, index) => write.changes.map((change) => ({ agentOrd: index + 1, ...change })));
  const { rows } = await pool.query<{ written: string | null }>({
    ...COMPARE_AND_SET,
    values: [
      arrayOfPlain(writes, (write) => write.clientId),
      arrayOfPlain(writes, (write) => write.agentId),
      arrayOfPlain(writes, ({ after }) => after.agentType),
      arrayOfTexts(writes, ({ after }) => after.name),
      arrayOfPlain(writes, ({ after }) => after.agentStatus),
      arrayOfPlain(writes, ({ after }) => after.sequence),
      arrayOfPlain(writes, ({ after }) => after.changedAt),
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
    ],
  });
  const written = new Set(rows[0]?.written?.split(',').map(Number));
  return writes.flatMap((_, index) => (written.has(index + 1) ? [] : [index]));
}

/** Makes the partitions of the days ahead and drops those beyond the retention (milliseconds). */
export async function maintainPartitions(pool: Pool, retentionMs: number): Promise<void> {
  await pool.query(`select presence.maintain_partitions(make_interval(secs => $1))`, [retentionMs / 1000]);
}
