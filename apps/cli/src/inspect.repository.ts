import { keyHash } from '#bus';
import { partitionKey, type AgentKey, type AgentType } from '#contracts';
import type { Pool } from '#database';

const MOST_MS = 10_000;
/** Rows of a list that are shown at most. */
export const MOST_ROWS = 100;
/** Rows that are counted at most. */
export const MOST_COUNTED = 100_000;
const LAST_CHANGES = 5;

type Row = Readonly<Record<string, unknown>>;
/** Runs one statement. */
type Ask = (text: string, ...values: unknown[]) => Promise<Row[]>;

/** What the tables have of a delivery, of one moment; a list is in order. */
export interface InspectedDelivery {
  /** Row of the log. */
  readonly change: Row | null;
  readonly agent_event: Row | null;
  readonly cursor: Row | null;
  readonly behind: Row | null;
  readonly redelivery: Row | null;
  readonly attempts: readonly Row[];
  readonly shard: Row | null;
}

/** What the tables have of an agent, of one moment. */
export interface InspectedAgent {
  readonly agent: Row;
  readonly last_report: Row | null;
  /** The newest first. */
  readonly changes: readonly Row[];
  readonly cursor: Row | null;
  readonly agent_events: readonly Row[];
  readonly behind: readonly Row[];
  readonly redeliveries: readonly Row[];
  readonly shard: Row | null;
  readonly relay_shard: Row | null;
}

/** What the tables have of a shard of the dispatcher and of presence's relay, of one moment. */
export interface InspectedPartition {
  readonly shard: Row;
  readonly behind: Row;
  readonly redeliveries: Row;
  readonly outbox: Row;
  /** The relay's shard of the same number. It has others than the dispatcher. */
  readonly relay_shard: Row | null;
}

const CHANGE = `
  select s.id, s.position, s.client_id, s.agent_id, s.agent_type, s.name, s.agent_status, s.event_source, s.sequence, s.occurred_at, s.changed_at,
    s.traceparent, not exists (select from presence.outbox o where o.position = s.position) as is_published
  from presence.status_change s`;

/** An agent event for an agent, which is parameter 2; null where that is not known. */
const AGENT_EVENT = `
  select e.id, e.client_id, e.agent_id, e.agent_type, e.url, e.method, e.event_type,
    case when e.agent_id is not null then e.after_sequence
         else coalesce((select st.after_sequence from subscription.client_event_start st where st.agent_event_id = e.id and st.agent_id = $2), 0)
    end as after_sequence, e.until_sequence, e.created_at, e.updated_at, h.failing_since, h.suspended_at, h.suspended_reason
  from subscription.agent_event e left join dispatch.event_health h on h.agent_event_id = e.id`;

const CURSOR = 'select last_sequence, version, ahead from dispatch.agent_cursor where client_id = $1 and agent_id = $2';

const BEHIND = `
  select b.agent_event_id, b.agent_id, b.next_sequence, b.version, b.attempts, b.due_at, b.sending_until, b.head_change_id, b.head_expires_at,
    b.blocked_by, b.blocked_by_event, b.since
  from dispatch.behind b`;

const SHARD = `
  select l.shard, b.partitions as shards, l.owner, l.epoch, l.until, coalesce(l.until > clock_timestamp(), false) as is_held,
    (select w.position from dispatch.shard_sweep w where w.shard = l.shard) as swept_position,
    (select last_value from presence.status_change_position) as last_position
  from dispatch.shard_base b join dispatch.shard_lease l`;

const RELAY_SHARD = `
  select r.shard, r.owner, r.lease_until as until, coalesce(r.lease_until > clock_timestamp(), false) as is_held,
    (select count(*) from (select from presence.outbox o where o.shard = r.shard limit ${MOST_COUNTED}) o) as unpublished,
    (select s.changed_at from (select o.change_id from presence.outbox o where o.shard = r.shard order by o.position limit 1) o
     join presence.status_change s on s.id = o.change_id) as oldest_at
  from presence.relay_shard r`;

/** Reads what `inspect` shows: each time in one transaction that cannot write. Holds no secret, and of urls no credentials. */
export class InspectRepository {
  /** @param mostMs longest that the server works on one statement, in milliseconds */
  constructor(
    private readonly pool: Pool,
    private readonly mostMs = MOST_MS,
  ) {}

  /** Reads a delivery. @returns undefined: nothing is known of it */
  delivery(changeId: string, agentEventId: number): Promise<InspectedDelivery | undefined> {
    return this.read(async (ask) => {
      const change = one(await ask(`${CHANGE} where s.id = $1`, changeId));
      const redelivery = one(
        await ask(
          `select client_id, agent_id, sequence, replay_id, attempts, attempts_before, due_at, expires_at from dispatch.redelivery
           where agent_event_id = $1 and change_id = $2`,
          agentEventId,
          changeId,
        ),
      );
      const agentId = (change ?? redelivery)?.agent_id ?? null;
      const event = one((await ask(`${AGENT_EVENT} where e.id = $1`, agentEventId, agentId)).map(withoutCredentials));
      const behind = one(
        await ask(
          `${BEHIND} where b.agent_event_id = $1 and ${agentId === null ? 'b.head_change_id' : 'b.agent_id'} = $2`,
          agentEventId,
          agentId ?? changeId,
        ),
      );
      const attempts = await ask(
        `select attempt, attempted_at, latency_ms, outcome, http_status, error, trigger from dispatch.attempt
         where agent_event_id = $1 and change_id = $2 order by attempt`,
        agentEventId,
        changeId,
      );
      const isRecorded = redelivery !== null || attempts.length > 0 || behind?.head_change_id === changeId;
      if (!isRecorded && !(change && event && isFor(event, change))) return undefined;
      const agent = agentOf(change ?? redelivery);
      return {
        change,
        agent_event: event,
        cursor: agent && one(await ask(CURSOR, agent.clientId, agent.agentId)),
        behind,
        redelivery,
        attempts,
        shard: agent && (await shardOf(ask, agent)),
      };
    });
  }

  /** Reads an agent, also one that was removed. @returns undefined: there never was such an agent */
  agent(agent: AgentKey, agentType: AgentType): Promise<InspectedAgent | undefined> {
    const key = [agent.clientId, agent.agentId];
    return this.read(async (ask) => {
      const state = one(
        await ask(
          `select client_id, agent_id, agent_type, name, agent_status, sequence, changed_at, created_at, deleted_at
           from presence.agent where client_id = $1 and agent_id = $2 and agent_type = $3`,
          ...key,
          agentType,
        ),
      );
      if (!state) return undefined;
      const events = await ask(
        `${AGENT_EVENT} where e.client_id = $1 and (e.agent_id = $2 or e.agent_id is null and (e.agent_type is null or e.agent_type = $3))
         order by e.id limit ${MOST_ROWS}`,
        ...key,
        agentType,
      );
      return {
        agent: state,
        last_report: one(
          await ask(
            `select reported_at, occurred_at, agent_type, agent_status, event_source, result, since_change
             from presence.last_report where client_id = $1 and agent_id = $2`,
            ...key,
          ),
        ),
        changes: await ask(
          `${CHANGE} where s.client_id = $1 and s.agent_id = $2 order by s.position desc limit ${LAST_CHANGES}`,
          ...key,
        ),
        cursor: one(await ask(CURSOR, ...key)),
        agent_events: events.map(withoutCredentials),
        behind: await ask(
          `${BEHIND} where b.client_id = $1 and b.agent_id = $2 order by b.next_sequence, b.agent_event_id limit ${MOST_ROWS}`,
          ...key,
        ),
        redeliveries: await ask(
          `select agent_event_id, change_id, sequence, replay_id, attempts, due_at, expires_at from dispatch.redelivery
           where agent_event_id = any ($1::bigint[]) and agent_id = $2 order by sequence, agent_event_id limit ${MOST_ROWS}`,
          events.map(({ id }) => id),
          agent.agentId,
        ),
        shard: await shardOf(ask, agent),
        relay_shard: one(await ask(`${RELAY_SHARD} where r.shard = presence.shard_of($1, $2)`, ...key)),
      };
    });
  }

  /** Reads a shard. @returns the number of shards where there is no such one; 0: no dispatcher has worked yet */
  partition(shard: number): Promise<InspectedPartition | number> {
    return this.read(async (ask) => {
      const lease = one(await ask(`${SHARD} on l.shard = $1 and l.shard < b.partitions`, shard));
      if (!lease) return ((await ask('select partitions from dispatch.shard_base'))[0]?.partitions as number | undefined) ?? 0;
      const { shards } = lease;
      const [behind, redeliveries, outbox] = [
        await ask(
          `select count(*) as rows, count(*) filter (where due_at <= now()) as due, count(*) filter (where due_at is null) as asleep,
             min(since) as oldest_since, min(due_at) as next_due_at
           from (select due_at, since from dispatch.behind where hash % $1::integer = $2 limit ${MOST_COUNTED}) b`,
          shards,
          shard,
        ),
        await ask(
          `select count(*) as redeliveries, count(distinct (agent_event_id, agent_id)) as lanes, min(due_at) as next_due_at
           from (select l.agent_event_id, l.agent_id, l.due_at from dispatch.redelivery_lane l
                 join dispatch.redelivery r on r.agent_event_id = l.agent_event_id and r.agent_id = l.agent_id
                 where l.hash % $1::integer = $2 limit ${MOST_COUNTED}) r`,
          shards,
          shard,
        ),
        await ask(
          `select (select count(*) from (select from presence.outbox limit ${MOST_COUNTED}) o) as unpublished,
             (select c.changed_at from (select change_id from presence.outbox order by position limit 1) o
              join presence.status_change c on c.id = o.change_id) as oldest_at`,
        ),
      ];
      return {
        shard: lease,
        behind: behind[0]!,
        redeliveries: redeliveries[0]!,
        outbox: outbox[0]!,
        relay_shard: one(await ask(`${RELAY_SHARD} where r.shard = $1`, shard)),
      };
    });
  }

  private async read<Result>(work: (ask: Ask) => Promise<Result>): Promise<Result> {
    const client = await this.pool.connect();
    try {
      await client.query(`begin isolation level repeatable read read only; set local statement_timeout = ${this.mostMs}`);
      return await work(async (text, ...values) => (await client.query<Row>(text, values)).rows);
    } finally {
      await client.query('rollback').catch(() => undefined); // a connection that broke has said so
      client.release();
    }
  }
}

function one(rows: readonly Row[]): Row | null {
  return rows[0] ?? null;
}

async function shardOf(ask: Ask, agent: AgentKey): Promise<Row | null> {
  return one(await ask(`${SHARD} on l.shard = $1::integer % b.partitions`, keyHash(partitionKey(agent))));
}

function agentOf(row: Row | null): AgentKey | null {
  return row && { clientId: row.client_id as number, agentId: row.agent_id as number };
}

/** Whether an agent event could have been for a change; `explain` of the REST API says whether it was. */
function isFor(event: Row, change: Row): boolean {
  return event.client_id === change.client_id && (event.agent_id === null || event.agent_id === change.agent_id);
}

/** Leaves of a url with a user or a query, either of which may be a credential, only the origin. */
function withoutCredentials<Event extends Row>(event: Event): Event {
  const { origin, username, password, search } = new URL(event.url as string);
  return username + password + search === '' ? event : { ...event, url: `${origin}/…` };
}
