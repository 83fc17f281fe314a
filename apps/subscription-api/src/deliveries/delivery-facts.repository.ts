import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { AgentType, EventType, NotificationMethod, StatusChange } from '#contracts';
import { ListReads, NotificationListener, poolOf, statusChangeJson } from '#database';
import type { Logger } from '#runtime';
import { deliveryId, targetOf } from '#webhook';
import {
  COUNT_BEHIND,
  MATCHES,
  statementOf,
  type Order,
  type Source,
  type SourceParameters,
} from './delivery-sources.repository.js';
import type { AttemptOutcome, BehindFacts, DeliveryFacts, SuspensionReason } from './delivery-state.js';
import type { CountedMinute } from './delivery-window.js';

/** Agent events of a client that were removed since a change: of more, nobody looks whether it was sent to them. */
const REMOVED_LOOKED_AT = 10_000;

/** A delivery by what it is made of. */
export interface DeliveryKey {
  readonly agentEventId: number;
  readonly changeId: string;
}

/** An attempt of a delivery. */
export interface AttemptRow {
  readonly attempt: number;
  readonly attempted_at: Date;
  readonly latency_ms: number;
  readonly outcome: AttemptOutcome;
  readonly http_status: number | null;
  readonly error: string | null;
  readonly response: string | null;
  readonly trigger: 'redeliver' | 'replay' | null;
}

/** An agent event as its deliveries show it. */
export interface EventOfDelivery {
  readonly id: number;
  readonly url: string;
  readonly method: NotificationMethod;
  readonly eventType: EventType;
  readonly isForAll: boolean;
  readonly agentId: number | null;
  readonly agentType: AgentType | null;
  readonly updatedAt: Date;
}

/** All that is known of a delivery, of one moment. */
export interface FoundDelivery extends DeliveryKey {
  readonly id: string;
  /** Undefined: it was deleted. */
  readonly event: EventOfDelivery | undefined;
  /** Undefined: the log does not keep it any more. */
  readonly change: StatusChange | undefined;
  readonly attemptsCount: number;
  readonly lastAttempt: AttemptRow | undefined;
  readonly facts: DeliveryFacts;
}

interface FactsRow {
  readonly agent_event_id: number;
  readonly change_id: string;
  readonly event: {
    readonly id: number;
    readonly url: string;
    readonly method: NotificationMethod;
    readonly event_type: EventType;
    readonly agent_id: number | null;
    readonly agent_type: AgentType | null;
    readonly updated_at: string;
  } | null;
  readonly change: StatusChange | null;
  readonly cursor: number | null;
  readonly matches: boolean | null;
  readonly attempts: number;
  readonly was_delivered: boolean | null;
  readonly last: (Omit<AttemptRow, 'attempted_at'> & { readonly attempted_at: string }) | null;
  readonly behind: {
    readonly next_sequence: number;
    readonly attempts: number;
    readonly due_at: string | null;
    readonly head_change_id: string | null;
    readonly head_expires_at: string | null;
    readonly blocked_by: string | null;
    readonly blocked_by_event: number | null;
    readonly since: string;
  } | null;
  readonly is_out: boolean | null;
  readonly redelivery: {
    readonly attempts: number;
    readonly due_at: string;
    readonly expires_at: string;
    readonly head_change_id: string;
  } | null;
  readonly suspended_at: Date | null;
  readonly suspended_reason: SuspensionReason | null;
}

const ATTEMPT_COLUMNS = 'attempt, attempted_at, latency_ms, outcome, http_status, error, response, trigger';

/** The minute up to which, from the newest, so many attempts were counted. */
const BEGINNING = `
  select (extract(epoch from at) * 1000)::float8 as at, attempts::integer, (total - attempts)::integer as later from (
    select at, attempts, sum(attempts) over (order by at desc) as total from (
      select at, ${['delivered', 'retry', 'failed', 'dropped'].map((outcome) => `case when $4::text[] is null or '${outcome}' = any ($4) then ${outcome} else 0 end`).join(' + ')} as attempts
      from dispatch.delivery_series
      where client_id = $1 and agent_event_id = $2 and grain = 60 and at <= to_timestamp($3::float8 / 1000)
      order by at desc limit 2880) minute) summed
  where total >= $5 order by summed.at desc limit 1`;

/** The facts of deliveries by their keys, in one statement and so of one moment. */
const FACTS = `
  select k.agent_event_id, k.change_id, to_jsonb(e) as event, ${statusChangeJson('s')} as change, c.last_sequence as cursor,
    e.id is not null and s.id is not null and ${MATCHES} as matches,
    n.attempts, n.was_delivered, to_jsonb(l) as last, to_jsonb(b) as behind, b.sending_until > now() as is_out, to_jsonb(r) as redelivery,
    h.suspended_at, h.suspended_reason
  from unnest($2::bigint[], $3::uuid[]) with ordinality as k (agent_event_id, change_id, ord)
  left join subscription.agent_event e on e.id = k.agent_event_id and e.client_id = $1
  left join lateral (select * from presence.status_change s where s.id = k.change_id and s.id between $4 and $5 and s.client_id = $1 limit 1) s on true
  left join lateral (
    select last_sequence from dispatch.agent_cursor c where c.client_id = $1 and c.agent_id = s.agent_id limit 1) c on true
  left join lateral (
    select after_sequence from subscription.client_event_start st
    where e.agent_id is null and st.agent_event_id = e.id and st.agent_id = s.agent_id limit 1) st on true
  left join lateral (
    select * from dispatch.behind b where b.agent_event_id = k.agent_event_id and b.agent_id = s.agent_id limit 1) b on true
  left join lateral (
    select r.attempts, r.due_at, r.expires_at,
      (select head.change_id from dispatch.redelivery head
       where head.agent_event_id = r.agent_event_id and head.agent_id = r.agent_id order by head.sequence limit 1) as head_change_id
    from dispatch.redelivery r where r.agent_event_id = k.agent_event_id and r.change_id = k.change_id limit 1) r on true
  left join dispatch.event_health h on h.agent_event_id = k.agent_event_id
  cross join lateral (
    select count(*) as attempts, bool_or(outcome = 'delivered') as was_delivered from dispatch.attempt a
    where a.agent_event_id = k.agent_event_id and a.change_id = k.change_id and a.change_id between $4 and $5) n
  left join lateral (
    select ${ATTEMPT_COLUMNS} from dispatch.attempt a
    where a.agent_event_id = k.agent_event_id and a.change_id = k.change_id and a.change_id between $4 and $5 order by a.attempt desc limit 1) l on true
  order by k.ord`;

/** Reads what the dispatcher, presence and this service know of deliveries. */
@Injectable()
export class DeliveryFactsRepository {
  constructor(
    private readonly dataSource: DataSource,
    private readonly reads: ListReads,
  ) {}

  /** Finds the newest deliveries of some sources, or the oldest. */
  async find(sources: readonly Source[], parameters: SourceParameters, order: Order = 'desc'): Promise<DeliveryKey[]> {
    const rows = await this.reads.query<{ agent_event_id: number; change_id: string }>(statementOf(sources, order), [
      ...parameters,
    ]);
    return rows.map((row) => ({ agentEventId: row.agent_event_id, changeId: row.change_id }));
  }

  /**
   * Finds the minute since which, up to an end, at least so many attempts were counted; undefined: there were fewer in two days.
   *
   * @param outcomes of these alone; null: any
   * @param end milliseconds since the epoch
   */
  async beginningOf(
    clientId: number,
    agentEventId: number | null,
    outcomes: readonly string[] | null,
    end: number,
    attempts: number,
  ): Promise<CountedMinute | undefined> {
    const rows = await this.reads.query<CountedMinute>(BEGINNING, [clientId, agentEventId ?? 0, end, outcomes, attempts]);
    return rows[0];
  }

  /** Tells whether so many rows are behind that they are not searched one by one. */
  async isOutage(clientId: number, agentEventId: number | undefined): Promise<boolean> {
    const rows = await this.reads.query<{ count: number }>(COUNT_BEHIND, [clientId, agentEventId ?? null]);
    return rows[0]!.count > 1000;
  }

  /** Reads the facts of deliveries, in the order of the keys; a key may turn out to name no delivery. */
  async read(clientId: number, keys: readonly DeliveryKey[]): Promise<FoundDelivery[]> {
    if (keys.length === 0) return [];
    const [rows, origins] = await Promise.all([
      this.reads.query<FactsRow>(FACTS, [
        clientId,
        keys.map(({ agentEventId }) => agentEventId),
        keys.map(({ changeId }) => changeId),
        ...changeIdRangeOf(keys),
      ]),
      this.openOrigins(clientId),
    ]);
    return rows.map((row) => foundOf(row, origins));
  }

  /** Returns since when attempts are kept: those of earlier changes are gone. Undefined: none were dropped yet. */
  async attemptsSince(): Promise<Date | undefined> {
    const rows: { since: Date | null }[] = await this.dataSource.query('select dispatch.attempts_since() as since');
    return rows[0]!.since ?? undefined;
  }

  /** Reads every attempt of a delivery, in order. */
  attemptsOf({ agentEventId, changeId }: DeliveryKey): Promise<AttemptRow[]> {
    return this.reads.query(
      `select ${ATTEMPT_COLUMNS} from dispatch.attempt where agent_event_id = $1 and change_id = $2 order by attempt`,
      [agentEventId, changeId],
    );
  }

  /** Reads every attempt of some deliveries, by delivery and in order. */
  async attemptsOfAll(keys: readonly DeliveryKey[]): Promise<ReadonlyMap<string, AttemptRow[]>> {
    if (keys.length === 0) return new Map();
    const rows = await this.reads.query<AttemptRow & { agent_event_id: number; change_id: string }>(
      `select a.agent_event_id, a.change_id, ${ATTEMPT_COLUMNS}
       from unnest($1::bigint[], $2::uuid[]) as k (agent_event_id, change_id)
       join dispatch.attempt a on a.agent_event_id = k.agent_event_id and a.change_id = k.change_id and a.change_id between $3 and $4
       order by a.change_id, a.agent_event_id, a.attempt`,
      [keys.map(({ agentEventId }) => agentEventId), keys.map(({ changeId }) => changeId), ...changeIdRangeOf(keys)],
    );
    const found = new Map<string, AttemptRow[]>();
    for (const { agent_event_id, change_id, ...attempt } of rows) {
      const id = deliveryId(change_id, agent_event_id);
      const known = found.get(id);
      if (known) known.push(attempt);
      else found.set(id, [attempt]);
    }
    return found;
  }

  /**
   * Finds agent events that a change was attempted for, and that are gone: what was removed before the change never had it. Of very many
   * that were removed since, those that went first are looked at.
   *
   * @param limit how many of them at most
   */
  async removedEventsOf(clientId: number, change: Pick<StatusChange, 'id' | 'changedAt'>, limit: number): Promise<number[]> {
    const rows = await this.reads.query<{ agent_event_id: number }>(
      // Clocks differ, and both times are of the beginning of a transaction.
      `select r.agent_event_id from (
         select agent_event_id from subscription.removed_agent_event
         where client_id = $1 and removed_at > to_timestamp($3::float8 / 1000) - interval '1 hour' order by removed_at limit ${REMOVED_LOOKED_AT}) r
       where exists (select from dispatch.attempt a where a.agent_event_id = r.agent_event_id and a.change_id = $2)
       order by r.agent_event_id limit $4`,
      [clientId, change.id, change.changedAt, limit],
    );
    return rows.map(({ agent_event_id }) => agent_event_id);
  }

  /** Listens for deliveries that dispatchers announce; the caller stops it. */
  listen(onHint: (payload: string) => void, logger: Logger): NotificationListener {
    const listener = new NotificationListener(
      poolOf(this.dataSource),
      { rollcall_deliveries: { onNotification: onHint } },
      logger,
    );
    listener.start();
    return listener;
  }

  /** Returns the origins that a client's notifications are not sent to now, and since when. */
  private async openOrigins(clientId: number): Promise<ReadonlyMap<string, Date>> {
    const rows = await this.reads.query<{ origin: string; since: Date }>(
      `select origin, min(since) as since from dispatch.origin_state
       where client_id = $1 and state <> 'closed' and seen_at > now() - interval '1 minute' group by origin`,
      [clientId],
    );
    return new Map(rows.map(({ origin, since }) => [origin, since]));
  }
}

/** Returns the first and the last change id, so that PostgreSQL skips the partitions of other days. */
function changeIdRangeOf(keys: readonly DeliveryKey[]): [from: string, to: string] {
  const ids = keys.map(({ changeId }) => changeId).toSorted();
  return [ids[0]!, ids.at(-1)!];
}

function foundOf(row: FactsRow, origins: ReadonlyMap<string, Date>): FoundDelivery {
  const { agent_event_id: agentEventId, change_id: changeId, event, change, last, redelivery, behind } = row;
  const lastAttempt = last ? { ...last, attempted_at: new Date(last.attempted_at) } : undefined;
  return {
    agentEventId,
    changeId,
    id: deliveryId(changeId, agentEventId),
    event: event
      ? {
          id: event.id,
          url: event.url,
          method: event.method,
          eventType: event.event_type,
          isForAll: event.agent_id === null,
          agentId: event.agent_id,
          agentType: event.agent_type,
          updatedAt: new Date(event.updated_at),
        }
      : undefined,
    change: change ?? undefined,
    attemptsCount: row.attempts,
    lastAttempt,
    facts: {
      sequence: change?.sequence,
      changedAt: change?.changedAt,
      cursor: row.cursor ?? 0,
      matches: row.matches ?? false,
      lastOutcome: lastAttempt?.outcome,
      wasDelivered: row.was_delivered ?? false,
      behind: behind ? behindOf(behind, row) : undefined,
      redelivery: redelivery
        ? {
            attempts: redelivery.attempts,
            dueAt: new Date(redelivery.due_at),
            expiresAt: new Date(redelivery.expires_at),
            headId: redelivery.head_change_id === changeId ? undefined : deliveryId(redelivery.head_change_id, agentEventId),
          }
        : undefined,
      suspendedAt: row.suspended_at ?? undefined,
      suspendedBy: row.suspended_reason ?? undefined,
      originSince: event && origins.size > 0 ? origins.get(targetOf(event.url).origin) : undefined,
    },
  };
}

function behindOf(
  behind: NonNullable<FactsRow['behind']>,
  { agent_event_id, change_id, change, matches, is_out }: FactsRow,
): BehindFacts {
  const { next_sequence, head_change_id, blocked_by, blocked_by_event } = behind;
  // Statuses take turns: of two changes in a row one matches, and the first that does is the head.
  const isFirst = matches === true && change !== null && change.sequence >= next_sequence && change.sequence - next_sequence < 2;
  return {
    nextSequence: next_sequence,
    attempts: behind.attempts,
    dueAt: dateOf(behind.due_at),
    isOut: is_out ?? false,
    isHead: head_change_id === null ? isFirst : head_change_id === change_id,
    headId: head_change_id === null ? undefined : deliveryId(head_change_id, agent_event_id),
    headExpiresAt: dateOf(behind.head_expires_at),
    blockedBy: blocked_by !== null && blocked_by_event !== null ? deliveryId(blocked_by, blocked_by_event) : undefined,
    since: new Date(behind.since),
  };
}

function dateOf(text: string | null): Date | undefined {
  return text === null ? undefined : new Date(text);
}
