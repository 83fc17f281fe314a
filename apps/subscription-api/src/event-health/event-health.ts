import { Injectable } from '@nestjs/common';
import type { AgentEvent } from '../agent-events/agent-events.module.js';
import { notFound } from '../http/path-params.js';
import { EventHealthRepository } from './event-health.repository.js';
import { lastOutcomeOf, stateOfHealth, type HealthView } from './event-health.schema.js';

/** Tells whether an agent event's notifications arrive, and holds them: contract §3. */
@Injectable()
export class EventHealth {
  constructor(private readonly repository: EventHealthRepository) {}

  /** @throws ApiError where it was deleted meanwhile */
  async of({ clientId, id }: AgentEvent): Promise<HealthView> {
    const [health] = await this.repository.find(clientId, { id }, 0, 1);
    if (!health) throw notFound('event_not_found');
    return {
      status: stateOfHealth(health),
      reason: health.suspended_reason,
      since: (health.suspended_at ?? health.failing_since)?.toISOString() ?? null,
      last_outcome: lastOutcomeOf(health),
      backlog: health.waiting,
      oldest_waiting: health.oldest_waiting?.toISOString() ?? null,
    };
  }

  async pause(event: AgentEvent): Promise<HealthView> {
    await this.repository.pause(event.id);
    return this.of(event);
  }

  async resume(event: AgentEvent): Promise<HealthView> {
    await this.repository.resume(event.id);
    return this.of(event);
  }
}
