import { Module } from '@nestjs/common';
import { AgentEventsModule } from '../agent-events/agent-events.module.js';
import { EventHealthListController } from './event-health-list.controller.js';
import { EventHealthController } from './event-health.controller.js';
import { EventHealth } from './event-health.js';
import { EventHealthRepository } from './event-health.repository.js';

/** Whether the notifications of agent events arrive, and holding them: contract §3. */
@Module({
  imports: [AgentEventsModule],
  controllers: [EventHealthController, EventHealthListController],
  providers: [EventHealthRepository, EventHealth],
})
export class EventHealthModule {}

export { WAITING_IN_ROW } from './event-health.repository.js';
