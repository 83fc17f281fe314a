import { Injectable } from '@nestjs/common';
import type { AgentEvent } from '../agent-events/agent-events.module.js';
import { rangeOf, type Paging } from '../http/paging.js';
import { notFound } from '../http/path-params.js';
import { DeliveryFactsRepository, type AttemptRow, type DeliveryKey } from './delivery-facts.repository.js';
import { changeIdOf } from './delivery-id.js';
import { DeliveryList, type ShownDelivery } from './delivery-list.js';
import { attemptViewOf } from './delivery-view.js';
import type { DeliveryView } from './delivery.schema.js';

/** Lists what became of an agent event's notifications: contract §3. */
@Injectable()
export class AgentEventDeliveries {
  constructor(
    private readonly deliveries: DeliveryList,
    private readonly facts: DeliveryFactsRepository,
  ) {}

  async list({ clientId, id }: AgentEvent, paging: Paging): Promise<DeliveryView[]> {
    const { skip, take } = rangeOf(paging);
    return this.withAttempts(await this.deliveries.oldest(clientId, id, skip, take));
  }

  async find(event: AgentEvent, id: string): Promise<DeliveryView> {
    const changeId = changeIdOf(id, event.id);
    const [delivery] = changeId === undefined ? [] : await this.show(event.clientId, [{ changeId, agentEventId: event.id }]);
    if (!delivery) throw notFound('delivery_not_found');
    return delivery;
  }

  /** Shows deliveries by their keys; keys that name no delivery are left out. */
  async show(clientId: number, keys: readonly DeliveryKey[]): Promise<DeliveryView[]> {
    return this.withAttempts(await this.deliveries.show(clientId, keys));
  }

  private async withAttempts(deliveries: readonly ShownDelivery[]): Promise<DeliveryView[]> {
    const attempts = await this.facts.attemptsOfAll(deliveries);
    return deliveries.map((delivery) => deliveryViewOf(delivery, attempts.get(delivery.id) ?? []));
  }
}

function deliveryViewOf({ id, change, state }: ShownDelivery, attempts: readonly AttemptRow[]): DeliveryView {
  return {
    id,
    status: state.status,
    // The log of changes is kept for a time; attempts may be there longer.
    agent_id: change?.agentId ?? null,
    agent_type: change?.agentType ?? null,
    agent_status: change?.agentStatus ?? null,
    event_source: change?.eventSource ?? null,
    sequence: change?.sequence ?? null,
    occurred_at: change ? new Date(change.occurredAt).toISOString() : null,
    next_attempt_at: state.nextAttemptAt?.toISOString() ?? null,
    expires_at: state.expiresAt?.toISOString() ?? null,
    attempts: attempts.map(attemptViewOf),
  };
}
