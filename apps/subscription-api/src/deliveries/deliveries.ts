import { Injectable } from '@nestjs/common';
import { deliveryId } from '#webhook';
import type { AgentEvent } from '../agent-events/agent-event.schema.js';
import { StatusLogRepository, type LoggedChange } from '../agent-status/status-log.repository.js';
import { rangeOf, type Paging } from '../request/paging.js';
import { notFound } from '../request/path-params.js';
import { changeIdOf } from './delivery-id.js';
import { DeliveryRepository, type AttemptRow, type QueuedRow } from './delivery.repository.js';
import type { AttemptView, DeliveryView } from './delivery.schema.js';

/** What became of an agent event's notifications: contract §3. */
@Injectable()
export class Deliveries {
  constructor(
    private readonly repository: DeliveryRepository,
    private readonly log: StatusLogRepository,
  ) {}

  async list(event: AgentEvent, paging: Paging): Promise<DeliveryView[]> {
    const { skip, take } = rangeOf(paging);
    return this.show(event, await this.repository.listChangeIds(event, skip, take));
  }

  async find(event: AgentEvent, id: string): Promise<DeliveryView> {
    const changeId = changeIdOf(id, event.id);
    const [delivery] = changeId === undefined ? [] : await this.show(event, [changeId]);
    if (!delivery) throw notFound('delivery_not_found');
    return delivery;
  }

  /** The deliveries of some changes; a change that is not on its way to the agent event, and never was, has none. */
  async show(event: AgentEvent, changeIds: readonly string[]): Promise<DeliveryView[]> {
    const [attempts, queued, changes] = await Promise.all([
      this.repository.findAttempts(event.id, changeIds),
      this.repository.findQueued(event, changeIds),
      this.log.findByIds(changeIds),
    ]);
    const attemptsOf = groupBy(attempts, (row) => row.change_id);
    const queuedOf = new Map(queued.map((row) => [row.change_id, row]));
    const changeOf = new Map(changes.map((change) => [change.id, change]));
    return changeIds
      .filter((id) => attemptsOf.has(id) || queuedOf.has(id))
      .map((id) => viewOf(deliveryId(id, event.id), changeOf.get(id), attemptsOf.get(id) ?? [], queuedOf.get(id)));
  }

  /**
   * The deliveries of one change to several agent events, however many those are.
   *
   * @returns by agent event; one that the change is not on its way to, and never was, has none
   */
  async ofChange(events: readonly AgentEvent[], change: LoggedChange): Promise<ReadonlyMap<number, DeliveryView>> {
    const [attempts, queued] = await Promise.all([
      this.repository.findAttemptsOfChange(
        events.map(({ id }) => id),
        change.id,
      ),
      this.repository.findQueuedOfChange(events, change),
    ]);
    const attemptsOf = groupBy(attempts, (row) => row.agent_event_id);
    const queuedOf = new Map(queued.map((row) => [row.agent_event_id, row]));
    return new Map(
      events
        .filter(({ id }) => attemptsOf.has(id) || queuedOf.has(id))
        .map(({ id }) => [id, viewOf(deliveryId(change.id, id), change, attemptsOf.get(id) ?? [], queuedOf.get(id))]),
    );
  }
}

function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

function viewOf(
  id: string,
  change: LoggedChange | undefined,
  attempts: readonly AttemptRow[],
  queued: QueuedRow | undefined,
): DeliveryView {
  return {
    id,
    status: statusOf(attempts, queued),
    // The log of changes is kept for a time; attempts may be there longer.
    agent_id: change?.agentId ?? null,
    agent_type: change?.agentType ?? null,
    agent_status: change?.agentStatus ?? null,
    event_source: change?.eventSource ?? null,
    sequence: change?.sequence ?? null,
    occurred_at: change?.occurredAt.toISOString() ?? null,
    next_attempt_at: queued && !queued.leased ? (queued.due_at?.toISOString() ?? null) : null,
    expires_at: queued?.expires_at.toISOString() ?? null,
    attempts: attempts.map(attemptViewOf),
  };
}

function statusOf(attempts: readonly AttemptRow[], queued: QueuedRow | undefined): DeliveryView['status'] {
  const last = attempts.at(-1)?.outcome;
  if (queued || last === undefined) return last === undefined ? 'waiting' : 'retrying';
  return last === 'retry' ? 'retrying' : last;
}

/** An attempt as it is shown. */
export function attemptViewOf(row: AttemptRow): AttemptView {
  return {
    attempt: row.attempt,
    at: row.attempted_at.toISOString(),
    latency_ms: row.latency_ms,
    outcome: row.outcome,
    http_status: row.http_status,
    error: row.error,
    response: row.response,
  };
}
