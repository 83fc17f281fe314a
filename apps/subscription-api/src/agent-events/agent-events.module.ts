import { Module } from '@nestjs/common';
import { AgentsModule } from '../agents/agents.module.js';
import { WebhookSecretsModule } from '../webhook-secrets/webhook-secrets.module.js';
import { AgentEventController } from './agent-event.controller.js';
import { AgentEventRepository } from './agent-event.repository.js';
import { AgentEvents } from './agent-events.js';
import { AllAgentsEventController } from './all-agents-event.controller.js';
import { FinishedEventsJob } from './finished-events.job.js';
import { LimitController } from './limit.controller.js';

/** Where logins and logouts are sent, and how many agent events a client may have: contract §3. */
@Module({
  imports: [AgentsModule, WebhookSecretsModule],
  controllers: [AgentEventController, AllAgentsEventController, LimitController],
  providers: [AgentEventRepository, AgentEvents, FinishedEventsJob],
  exports: [AgentEventRepository, AgentEvents],
})
export class AgentEventsModule {}

export { AgentEventRepository } from './agent-event.repository.js';
export type { AgentEvent } from './agent-event.schema.js';
export { AgentEvents } from './agent-events.js';
