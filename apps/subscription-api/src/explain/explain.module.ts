import { Module } from '@nestjs/common';
import { AgentEventsModule } from '../agent-events/agent-events.module.js';
import { AgentStatusModule } from '../agent-status/agent-status.module.js';
import { AgentsModule } from '../agents/agents.module.js';
import { DeliveriesModule } from '../deliveries/deliveries.module.js';
import { ExplainController } from './explain.controller.js';
import { Explainer } from './explainer.js';

/** Why an agent was, or was not, notified: contract §3. */
@Module({
  imports: [AgentEventsModule, AgentsModule, AgentStatusModule, DeliveriesModule],
  controllers: [ExplainController],
  providers: [Explainer],
})
export class ExplainModule {}
