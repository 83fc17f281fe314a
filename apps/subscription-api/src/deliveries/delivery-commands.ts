import { Inject, Injectable } from '@nestjs/common';
import { ApiError } from '#http';
import type { ServiceSettings } from '#runtime';
import type { AgentEvent } from '../agent-events/agent-event.schema.js';
import { notFound } from '../http/path-params.js';
import { SETTINGS } from '../tokens.js';
import { Deliveries } from './deliveries.js';
import { changeIdOf } from './delivery-id.js';
import { DeliveryCommandRepository } from './delivery-command.repository.js';
import type { DeliveryView } from './delivery.schema.js';
import { EventHealth } from '../event-health/event-health.js';
import type { HealthView } from '../event-health/event-health.schema.js';

/** What may be asked of an agent event's notifications: hold them, send them on, send one again; contract §3. */
@Injectable()
export class DeliveryCommands {
  constructor(
    private readonly repository: DeliveryCommandRepository,
    private readonly deliveries: Deliveries,
    private readonly health: EventHealth,
    @Inject(SETTINGS) private readonly settings: Pick<ServiceSettings, 'DELIVERY_WINDOW'>,
  ) {}

  async pause(event: AgentEvent): Promise<HealthView> {
    await this.repository.pause(event.id);
    return this.health.of(event);
  }

  async resume(event: AgentEvent): Promise<HealthView> {
    await this.repository.resume(event.id);
    return this.health.of(event);
  }

  async redeliver(event: AgentEvent, id: string): Promise<DeliveryView> {
    const changeId = changeIdOf(id, event.id);
    const answer =
      changeId === undefined ? 'not_found' : await this.repository.redeliver(event.id, changeId, this.settings.DELIVERY_WINDOW);
    if (answer === 'not_found') throw notFound('delivery_not_found');
    if (answer === 'already_waiting')
      throw new ApiError(
        'already_waiting',
        'The delivery is on its way: it waits, or is being sent. It can be sent again when it is finished',
      );
    return this.deliveries.find(event, id);
  }
}
