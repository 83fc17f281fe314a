import { Injectable } from '@nestjs/common';
import type { AgentEventEntity } from '#database';
import { AgentEventRepository } from '../agent-events/agent-event.repository.js';
import { viewOfChange } from '../agent-status/agent-status.schema.js';
import { StatusLogRepository, type LoggedChange } from '../agent-status/status-log.repository.js';
import { AgentRepository } from '../agents/agent.repository.js';
import { notFound, type AgentRef } from '../request/path-params.js';
import { Deliveries } from './deliveries.js';
import type { DeliveryView } from './delivery.schema.js';
import { decisionOf, reasonOf } from './explanation.js';

/** More agent events than this are not explained one by one. */
const MAX_EVENTS = 200;
const NONE: ReadonlyMap<number, DeliveryView> = new Map();

/** Puts together what happened to an agent's last change up to a moment, from telemetry to attempts. */
@Injectable()
export class Explainer {
  constructor(
    private readonly agents: AgentRepository,
    private readonly agentEvents: AgentEventRepository,
    private readonly log: StatusLogRepository,
    private readonly deliveries: Deliveries,
  ) {}

  async explain(agent: AgentRef, at: Date): Promise<unknown> {
    const found = await this.agents.find(agent);
    if (!found) throw notFound('agent_not_found');
    const change = await this.log.lastAt(agent.clientId, agent.agentId, at);
    const events = [
      ...(await this.agentEvents.list(agent, 0, MAX_EVENTS)),
      ...(await this.agentEvents.list({ clientId: agent.clientId }, 0, MAX_EVENTS)),
    ];
    const deliveries = change ? await this.deliveries.ofChange(events, change) : NONE;
    return {
      at: at.toISOString(),
      agent: found,
      change: change ? viewOfChange(change) : null,
      decision: decisionOf(change, at),
      agent_events: events.map((event) => explain(event, change, deliveries.get(event.id))),
    };
  }
}

function explain(event: AgentEventEntity, change: LoggedChange | undefined, delivery: DeliveryView | undefined): unknown {
  return {
    id: event.id,
    all_agents: event.agentId === null,
    url: event.url,
    method: event.method,
    event_type: event.eventType,
    notified: delivery !== undefined,
    reason: change ? reasonOf(event, change, delivery) : 'there was no change',
    delivery: delivery ?? null,
  };
}
