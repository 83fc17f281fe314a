import { Injectable } from '@nestjs/common';
import { deliveryId } from '#webhook';
import type { AgentEvent } from '../agent-events/agent-event.schema.js';
import { attemptViewOf } from './deliveries.js';
import { DeliveryRepository } from './delivery.repository.js';
import { EventHealthRepository } from './event-health.repository.js';
import type { HealthView } from './event-health.schema.js';

/** Whether an agent event's notifications arrive: contract §3. */
@Injectable()
export class EventHealth {
  constructor(
    private readonly repository: EventHealthRepository,
    private readonly deliveries: DeliveryRepository,
  ) {}

  async of(event: AgentEvent): Promise<HealthView> {
    const [health, last, { count, oldest }] = await Promise.all([
      this.repository.health(event.id),
      this.deliveries.lastAttempt(event.id),
      this.repository.backlog(event),
    ]);
    return {
      status: health ? (health.suspended_at ? 'suspended' : 'failing') : 'active',
      reason: health?.suspended_reason ?? null,
      since: (health?.suspended_at ?? health?.failing_since)?.toISOString() ?? null,
      last_outcome: last ? { delivery_id: deliveryId(last.change_id, event.id), ...attemptViewOf(last) } : null,
      backlog: count,
      oldest_waiting: oldest?.toISOString() ?? null,
    };
  }
}
