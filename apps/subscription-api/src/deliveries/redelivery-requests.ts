import { Inject, Injectable } from '@nestjs/common';
import { ApiError } from '#http';
import type { ServiceSettings } from '#runtime';
import type { AgentEvent } from '../agent-events/agent-events.module.js';
import { SETTINGS } from '../core.module.js';
import { notFound } from '../http/path-params.js';
import { AgentEventDeliveries } from './agent-event-deliveries.js';
import { changeIdOf } from './delivery-id.js';
import type { DeliveryView } from './delivery.schema.js';
import { RedeliveryRepository } from './redelivery.repository.js';

/** Sends a delivery again that somebody asks for: contract §3. */
@Injectable()
export class RedeliveryRequests {
  constructor(
    private readonly repository: RedeliveryRepository,
    private readonly deliveries: AgentEventDeliveries,
    @Inject(SETTINGS) private readonly settings: Pick<ServiceSettings, 'DELIVERY_WINDOW'>,
  ) {}

  /** @throws ApiError where there is no such delivery, or it is on its way */
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
