import type { Pool } from 'pg';
import { eventTypeOf, type NotificationMethod, type StatusChange } from '#contracts';
import { arrayOfPlain } from '#database';
import { encodePairs } from '#webhook';
import type { DeliveryJob } from '../queue/job.js';
import type { Lease } from '../queue/queue.repository.js';

export interface FanOutResult {
  /** Heads of lanes, leased to this instance, to be sent at once. */
  readonly jobs: DeliveryJob[];
  /** Rows that were queued in all. */
  readonly queued: number;
  /** Agents whose cursor somebody else moved meanwhile, as {@link agentKey}: fan their changes out again. */
  readonly contended: ReadonlySet<string>;
  /** Agents whose changes do not join on to the last one that was fanned out: read the log, and fan them out again. */
  readonly gapped: ReadonlySet<string>;
  /** Agents of which changes were left out, since neither the batch nor the log has them. */
  readonly missing: number;
}

/** Names an agent in {@link FanOutResult}. */
export function agentKey({ clientId, agentId }: { readonly clientId: number; readonly agentId: number }): string {
  return `${clientId}:${agentId}`;
}

/**
 * Queues the deliveries of a batch of changes, exactly once whatever is delivered twice or by two instances at once.
 *
 * prior, moved: each agent's cursor is compared and set. prior is what this statement's snapshot saw; moved waits for whoever
 * else holds the cursor and compares with what is there then. An agent for which the two differ is left alone: the snapshot is
 * too old to say what stands in its lanes, and the caller repeats it with a new one. Otherwise nobody has queued for the agent
 * since the snapshot, and nobody does until this commits, so its lanes can only have become shorter.
 *
 * gapped: the topic may lack a change or bring it late, so an agent's changes are taken only where they join on to its cursor.
 * Otherwise nothing is done for the agent, until the caller has read from the log what is missing.
 *
 * tails: the last row of a lane is the one that nobody follows, and locking it waits for a result that is about to delete
 * it. If it is still there then, `followed` is set under the lock and its finisher will promote what is inserted here; if it
 * is gone, the lane is empty and what is inserted is its head. Locks are taken in the order of the keys, as everybody does.
 *
 * What belongs to an agent is looked up agent by agent, as the queue's rows are: ADR 12. A batch is small beside the tables,
 * which the planner would rather read whole; a lateral subquery with an offset or a limit leaves it no choice.
 *
 * dispatch.changes is unnest with an honest estimate, and membership is asked with IN, which is hashed: the planner knows
 * nothing of the size of these sets, and would compare each row with each.
 *
 * Heads are inserted leased, as far as there is room in memory; without room they are due at once, for a claim.
 */
const FAN_OUT = {
  name: 'dispatch_fan_out',
  text: `
    with change as materialized (
      select * from dispatch.changes($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::timestamptz[])),
    prior as materialized (
      select a.client_id, a.agent_id, a.newest, c.last_sequence, c.version,
             not $11 and a.newest > coalesce(c.last_sequence, 0)
               and (a.oldest > coalesce(c.last_sequence, 0) + 1 or a.newest - a.oldest + 1 <> a.count) as gapped
      from (select client_id, agent_id, min(sequence) as oldest, max(sequence) as newest, count(distinct sequence)
            from change group by client_id, agent_id) a
      left join lateral (
        select c.last_sequence, c.version from dispatch.agent_cursor c
        where c.client_id = a.client_id and c.agent_id = a.agent_id limit 1) c on true),
    moved as materialized (
      select client_id, agent_id, last_sequence, dispatch.move_cursor(client_id, agent_id, last_sequence, version, newest) as done
      from (select * from prior where last_sequence is not null and not gapped order by client_id, agent_id) p),
    added as (
      insert into dispatch.agent_cursor (client_id, agent_id, last_sequence)
      select client_id, agent_id, newest from prior where last_sequence is null and not gapped order by client_id, agent_id
      on conflict do nothing
      returning client_id, agent_id),
    advanced as materialized (
      select client_id, agent_id, last_sequence from moved where done
      union all
      select client_id, agent_id, 0 from added),
    fresh as materialized (
      select c.*, a.last_sequence from change c join advanced a using (client_id, agent_id) where c.sequence > a.last_sequence),
    matched as materialized (
      select f.id, f.client_id, f.agent_id, f.sequence, f.expires_at, e.id as agent_event_id, e.url, e.method,
             dispatch.lane_of(f.client_id, f.agent_id, e.url) as lane
      from fresh f
      cross join lateral (
        select e.id, e.url, e.method from subscription.agent_event e
        where e.client_id = f.client_id and e.agent_id = f.agent_id and e.agent_id is not null
          and e.event_type = f.event_type and e.agent_type = f.agent_type
          and f.sequence > e.after_sequence and (e.until_sequence is null or f.sequence <= e.until_sequence)
        offset 0) e
      union all
      select f.id, f.client_id, f.agent_id, f.sequence, f.expires_at, e.id, e.url, e.method,
             dispatch.lane_of(f.client_id, f.agent_id, e.url)
      from fresh f
      cross join lateral (
        select e.id, e.url, e.method from subscription.agent_event e
        where e.client_id = f.client_id and e.agent_id is null
          and e.event_type = f.event_type and (e.agent_type is null or e.agent_type = f.agent_type)
        offset 0) e
      left join lateral (
        select s.after_sequence from subscription.client_event_start s
        where s.agent_event_id = e.id and s.agent_id = f.agent_id limit 1) s on true
      where f.sequence > coalesce(s.after_sequence, 0)),
    tail as materialized (
      select q.lane, dispatch.follow(q.lane, q.sequence, q.agent_event_id)
      from (select distinct lane from matched order by lane) m
      cross join lateral (
        select q.lane, q.sequence, q.agent_event_id from dispatch.queue q where q.lane = m.lane and not q.followed
        order by q.sequence, q.agent_event_id for update) q),
    headed as (
      select m.*, h.suspended_at is not null as suspended,
             m.sequence = min(m.sequence) over lanes and m.lane not in (select lane from tail) as head,
             m.sequence < max(m.sequence) over lanes as followed
      from matched m left join dispatch.event_health h on h.agent_event_id = m.agent_event_id
      window lanes as (partition by m.lane)),
    placed as materialized (
      select *, head and not suspended
             and count(*) filter (where head and not suspended) over (rows between unbounded preceding and current row) <= $10 as leased
      from headed),
    queued as (
      insert into dispatch.queue
        (lane, sequence, agent_event_id, change_id, client_id, agent_id, due_at, lease_owner, followed, expires_at)
      select lane, sequence, agent_event_id, id, client_id, agent_id,
             case when not head then null
                  when leased then now() + $9 * interval '1 ms'
                  when suspended then least(expires_at, now() + interval '5 minutes')
                  else now() end,
             case when leased then $8::uuid end,
             followed, expires_at
      from placed
      on conflict do nothing)
    select 'job' as kind, id as change_id, agent_event_id, lane::text, url, method, null::bigint as client_id, null::bigint as agent_id
    from placed where leased
    union all
    select case when gapped then 'gapped' else 'contended' end, null, null, null, null, null, client_id, agent_id
    from prior where (client_id, agent_id) not in (select client_id, agent_id from advanced)
    union all
    select 'queued', null, count(*), null, null, null, null, null from placed
    union all
    select 'now', null, (extract(epoch from now()) * 1000)::bigint, null, null, null, null, null
    union all
    select 'missing', null, count(*), null, null, null, null, null
    from (select min(sequence) - 1 > min(last_sequence) as gap from fresh group by client_id, agent_id) g where gap`,
};

type Row =
  | { kind: 'job'; change_id: string; agent_event_id: number; lane: string; url: string; method: NotificationMethod }
  | { kind: 'contended' | 'gapped'; client_id: number; agent_id: number }
  | { kind: 'queued' | 'missing'; agent_event_id: number }
  | { kind: 'now'; agent_event_id: number };

/**
 * @param changes each at most once; those of one agent in sequence
 * @param windowMs of retries, from the change
 * @param room most rows to lease
 * @param isFilled whether what the log has between the cursors and the changes is among them: what still lacks is left out
 */
export async function fanOut(
  pool: Pool,
  changes: readonly StatusChange[],
  windowMs: number,
  lease: Lease,
  room: number,
  isFilled = false,
): Promise<FanOutResult> {
  const readAt = performance.now();
  const { rows } = await pool.query<Row>({
    ...FAN_OUT,
    values: [
      arrayOfPlain(changes, ({ id }) => id),
      arrayOfPlain(changes, ({ clientId }) => clientId),
      arrayOfPlain(changes, ({ agentId }) => agentId),
      arrayOfPlain(changes, ({ agentType }) => agentType),
      arrayOfPlain(changes, ({ sequence }) => sequence),
      arrayOfPlain(changes, ({ agentStatus }) => eventTypeOf(agentStatus)),
      arrayOfPlain(changes, ({ changedAt }) => new Date(changedAt.getTime() + windowMs).toISOString()),
      lease.owner,
      lease.ms,
      room,
      isFilled,
    ],
  });
  const now = rows.find((row) => row.kind === 'now')!.agent_event_id;
  const byId = new Map(changes.map((change) => [change.id, sharedOf(change, readAt + windowMs - now)]));
  const result = {
    jobs: [] as DeliveryJob[],
    queued: 0,
    contended: new Set<string>(),
    gapped: new Set<string>(),
    missing: 0,
    now,
  };
  for (const row of rows) {
    switch (row.kind) {
      case 'contended':
      case 'gapped':
        result[row.kind].add(agentKey({ clientId: row.client_id, agentId: row.agent_id }));
        break;
      case 'queued':
      case 'missing':
        result[row.kind] = row.agent_event_id;
        break;
      case 'now':
        break;
      case 'job':
        result.jobs.push({
          ...byId.get(row.change_id)!,
          lane: row.lane,
          agentEventId: row.agent_event_id,
          endpoint: { url: row.url, method: row.method, suspended: false },
          readAt,
          attempts: 0,
          attemptsBefore: 0,
          leasedUntil: readAt + lease.ms,
        });
    }
  }
  return result;
}

/**
 * What all deliveries of a change have in common; made once, for there may be thousands of them.
 *
 * @param windowEnd of a change of the epoch's first moment, in milliseconds of `performance.now()`
 */
function sharedOf(
  change: StatusChange,
  windowEnd: number,
): Pick<DeliveryJob, 'changeId' | 'clientId' | 'sequence' | 'change' | 'expiresAt'> {
  return {
    changeId: change.id,
    clientId: change.clientId,
    sequence: change.sequence,
    change: { pairs: encodePairs(change), occurredAt: change.occurredAt },
    expiresAt: change.changedAt.getTime() + windowEnd,
  };
}
