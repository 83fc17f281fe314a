import { Module } from '@nestjs/common';
import { AddressGuard, WebhookClient } from '#webhook';
import { AgentEventsModule } from '../agent-events/agent-events.module.js';
import { AgentsModule } from '../agents/agents.module.js';
import { ADDRESS_GUARD, SETTINGS } from '../core.module.js';
import type { SubscriptionApiSettings } from '../settings.js';
import { StreamsModule } from '../streams/streams.module.js';
import { WebhookSecretsModule } from '../webhook-secrets/webhook-secrets.module.js';
import { AgentEventDeliveries } from './agent-event-deliveries.js';
import { DeliveryFactsRepository } from './delivery-facts.repository.js';
import { DeliveryListController } from './delivery-list.controller.js';
import { DeliveryList } from './delivery-list.js';
import { DeliveryStreams } from './delivery-streams.js';
import { DeliveryController } from './delivery.controller.js';
import { RedeliveryRequests } from './redelivery-requests.js';
import { RedeliveryRepository } from './redelivery.repository.js';
import { TestNotifier } from './test-notifier.js';

/** Tests are asked for by hand. */
const TEST_CONNECTIONS_PER_ORIGIN = 4;

/** What became of notifications, sending one again, and sending a test: contract §3. */
@Module({
  imports: [AgentEventsModule, AgentsModule, StreamsModule, WebhookSecretsModule],
  controllers: [DeliveryController, DeliveryListController],
  providers: [
    {
      provide: WebhookClient,
      useFactory: (guard: AddressGuard, { DELIVERY_TIMEOUT: timeoutMs }: Pick<SubscriptionApiSettings, 'DELIVERY_TIMEOUT'>) =>
        new WebhookClient({ guard, timeoutMs, connectionsPerOrigin: TEST_CONNECTIONS_PER_ORIGIN }),
      inject: [ADDRESS_GUARD, SETTINGS],
    },
    DeliveryFactsRepository,
    DeliveryList,
    DeliveryStreams,
    AgentEventDeliveries,
    RedeliveryRepository,
    RedeliveryRequests,
    TestNotifier,
  ],
  exports: [DeliveryFactsRepository, DeliveryList],
})
export class DeliveriesModule {}

export { DeliveryFactsRepository, type AttemptRow } from './delivery-facts.repository.js';
export { firstChangeIdOf, timeOf } from './delivery-id.js';
export { DeliveryList, type ShownDelivery } from './delivery-list.js';
export { IS_FOR } from './delivery-sources.repository.js';
export type { DeliveryState, SuspensionReason, WaitingFor } from './delivery-state.js';
export { listedDeliverySchema, triggeredAttemptSchema } from './delivery-view.schema.js';
export { triggeredAttemptViewOf, listedViewOf } from './delivery-view.js';
export { attemptSchema, deliveryIdSchema } from './delivery.schema.js';
