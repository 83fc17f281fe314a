/**
 * Where deliveries are found, as parts of statements that all take {@link SourceParameters}. Each answers the newest so many, by
 * agent event and change; what became of each of them is looked up afterwards.
 */

/** The parameters $1 to $10 of every statement. */
export type SourceParameters = readonly [
  clientId: number,
  /** Of this agent event alone. */
  agentEventId: number | null,
  agentType: string | null,
  agentId: number | null,
  /** Of changes with ids from … */
  from: string,
  /** … to, both included; of the last of them only the agent events below the last parameter. */
  to: string,
  limit: number,
  /** Attempts with these outcomes alone. */
  outcomes: readonly string[] | null,
  /** For how long a delivery is tried after its change, in milliseconds. */
  windowMs: number,
  belowEvent: number,
];

/** The newest first, or the oldest. */
export type Order = 'asc' | 'desc';

/** The agent events that deliveries are looked for of; each kind by its own index. */
const EVENTS = `
  event as materialized (
    select id, agent_id, agent_type, event_type, former_types, after_sequence, until_sequence from subscription.agent_event
    where client_id = $1 and agent_id is not null and ($2::bigint is null or id = $2) and ($3::text is null or agent_type = $3)
      and ($4::bigint is null or agent_id = $4)
    union all
    select id, agent_id, agent_type, event_type, former_types, after_sequence, until_sequence from subscription.agent_event
    where client_id = $1 and agent_id is null and ($2::bigint is null or id = $2)
      and ($3::text is null or agent_type is null or agent_type = $3))`;

/** Whether change `s` is for agent event `e`, by the types that it had then. */
export const IS_FOR = `
  subscription.event_type_at(e.event_type, e.former_types, s.changed_at) = case s.agent_status when 'available' then 'agent-login' else 'agent-logout' end
  and (e.agent_id is null or e.agent_id = s.agent_id)
  and coalesce(subscription.agent_type_at(e.agent_type, e.former_types, s.changed_at), s.agent_type) = s.agent_type`;

/** Whether agent event \`e\` is for change \`s\`, and was there before it; \`b\` is what is behind, \`st\` where one for all began. */
export const MATCHES = `(${IS_FOR}
  and s.sequence > case when e.agent_id is null then coalesce(st.after_sequence, 0) else e.after_sequence end
  and (e.until_sequence is null or s.sequence <= e.until_sequence))`;

/** What is older than this has ended; with an hour for clocks that differ. */
const WINDOW = `($9 * interval '1 ms' + interval '1 hour')`;

/** Those that were attempted. */
const attempted = (order: Order): string => `
  select e.id, x.change_id from event e
  cross join lateral (
    select distinct a.change_id from dispatch.attempt a
    where a.agent_event_id = e.id and a.change_id >= $5 and a.change_id <= $6 and ($8::text[] is null or a.outcome = any ($8))
    order by a.change_id ${order} limit $7 + 1) x`;

/**
 * Those with an attempt of such an outcome, by an index that successes are not in, outcome by outcome. What was tried again later is
 * left out where there may be much of it.
 */
const unsuccessful = (order: Order): string => `
  select e.id, x.change_id from event e
  cross join unnest($8) as of (outcome)
  cross join lateral (
    select distinct a.change_id from dispatch.attempt a -- sent again, it may have failed again
    where a.agent_event_id = e.id and a.outcome = of.outcome and a.outcome <> 'delivered' and a.change_id >= $5 and a.change_id <= $6
      and (a.outcome <> 'retry'
        or not exists (select from dispatch.attempt later
                       where later.agent_event_id = a.agent_event_id and later.change_id = a.change_id and later.attempt > a.attempt
                         and later.change_id >= $5 and later.change_id <= $6))
    order by a.change_id ${order} limit $7 + 1) x`;

/** Those of one agent that were attempted, by its own changes. */
const attemptedOfAgent = (order: Order): string => `
  select x.id, s.id as change_id from presence.status_change s
  cross join lateral (
    select distinct a.agent_event_id as id from dispatch.attempt a
    where a.agent_event_id = any (array(select id from event)) and a.change_id = s.id and a.change_id >= $5 and a.change_id <= $6
      and ($8::text[] is null or a.outcome = any ($8))) x
  where s.client_id = $1 and s.agent_id = $4 and s.id >= $5 and s.id <= $6 and (s.id < $6 or x.id < $10)
  order by s.position ${order}, x.id ${order} limit $7`;

/** What waits behind: whatever an agent event is for, from the head to the agent's cursor. */
const behind = (order: Order): string => `
  select e.id, s.id as change_id from event e
  join dispatch.behind b on b.agent_event_id = e.id and ($4::bigint is null or b.agent_id = $4)
  join dispatch.agent_cursor c on c.client_id = $1 and c.agent_id = b.agent_id
  cross join lateral (
    select s.id from presence.status_change s
    where s.client_id = $1 and s.agent_id = b.agent_id and s.sequence >= b.next_sequence and s.sequence <= c.last_sequence
      -- Nothing that waits is older than its head; where that is not known yet, than what could still wait.
      and s.id >= greatest($5::text, coalesce(b.head_change_id, presence.uuid_v7_floor(b.since - ${WINDOW}))::text)::uuid
      and s.id <= $6 and ${IS_FOR}
    order by s.position ${order} limit $7 + 1) s`;

/** The same by the client's newest changes: for an outage, which leaves a row for every agent. */
const behindByLog = (order: Order): string => `
  select e.id, s.id as change_id from (
    select * from presence.status_change s
    where s.client_id = $1 and ($4::bigint is null or s.agent_id = $4) and s.id >= $5 and s.id <= $6
    order by s.position ${order} limit 2 * $7) s
  join dispatch.agent_cursor c on c.client_id = $1 and c.agent_id = s.agent_id and s.sequence <= c.last_sequence
  join dispatch.behind b on b.client_id = $1 and b.agent_id = s.agent_id and s.sequence >= b.next_sequence
  join event e on e.id = b.agent_event_id and ${IS_FOR}`;

/** Heads of what is behind that were attempted and are tried again. */
const retried = (order: Order): string => `
  select e.id, b.head_change_id as change_id from event e
  join dispatch.behind b on b.agent_event_id = e.id and ($4::bigint is null or b.agent_id = $4)
  where b.attempts > 0 and b.head_change_id >= $5 and b.head_change_id <= $6 and (b.head_change_id < $6 or e.id < $10)
  order by b.head_change_id ${order}, e.id ${order} limit $7`;

/** Heads of what fell behind while their requests were out, and may be still. */
const spilt = (order: Order): string => `
  select e.id, b.head_change_id as change_id from event e
  join dispatch.behind b on b.agent_event_id = e.id and ($4::bigint is null or b.agent_id = $4)
  where b.sending_until > now() and b.head_change_id >= $5 and b.head_change_id <= $6 and (b.head_change_id < $6 or e.id < $10)
  order by b.head_change_id ${order}, e.id ${order} limit $7`;

/** What is sent again. */
const sentAgain = (order: Order): string => `
  select e.id, x.change_id from event e
  cross join lateral (
    select r.change_id from dispatch.redelivery r
    where r.agent_event_id = e.id and ($4::bigint is null or r.agent_id = $4) and r.change_id >= $5 and r.change_id <= $6
    order by r.change_id ${order} limit $7 + 1) x`;

/** What nobody has planned yet: changes beyond the agents' cursors. What is that old that it could not be sent any more is left out. */
const unplanned = (order: Order): string => `
  select e.id, s.id as change_id from presence.agent a
  left join dispatch.agent_cursor c on c.client_id = a.client_id and c.agent_id = a.agent_id
  cross join lateral (
    select * from presence.status_change s
    where s.client_id = $1 and s.agent_id = a.agent_id and s.sequence > coalesce(c.last_sequence, 0)
      and s.id >= greatest($5::text, presence.uuid_v7_floor(now() - ${WINDOW})::text)::uuid and s.id <= $6
    order by s.position ${order} limit $7 + 1) s
  join event e on ${IS_FOR}
  left join lateral (
    select st.after_sequence from subscription.client_event_start st
    where e.agent_id is null and st.agent_event_id = e.id and st.agent_id = s.agent_id limit 1) st on true
  where a.client_id = $1 and ($4::bigint is null or a.agent_id = $4) and a.sequence > coalesce(c.last_sequence, 0)
    and s.sequence > case when e.agent_id is null then coalesce(st.after_sequence, 0) else e.after_sequence end
    and (e.until_sequence is null or s.sequence <= e.until_sequence)`;

const SOURCES = { attempted, unsuccessful, attemptedOfAgent, behind, behindByLog, retried, spilt, sentAgain, unplanned } as const;
export type Source = keyof typeof SOURCES;

/** Builds the statement that finds the newest deliveries of some sources, or the oldest. */
export function statementOf(sources: readonly Source[], order: Order): string {
  // Every parameter is named, so that each has a type in every statement.
  const parameters =
    'parameters as (select $1::bigint, $2::bigint, $3::text, $4::bigint, $5::uuid, $6::uuid, $7::integer, $8::text[], $9::float8, $10::bigint)';
  const parts = sources.map((source) => `select * from (${SOURCES[source](order)}) as ${source}`);
  return `with ${parameters}, ${EVENTS}
    select id as agent_event_id, change_id from (${parts.join(' union ')}) found
    where change_id < $6 or id < $10 order by change_id ${order}, agent_event_id ${order} limit $7`;
}

/** The statement that tells how many rows are behind, up to a thousand and one. */
export const COUNT_BEHIND = `
  select count(*) as count from (
    select from subscription.agent_event e join dispatch.behind b on b.agent_event_id = e.id
    where e.client_id = $1 and ($2::bigint is null or e.id = $2) limit 1001) b`;
