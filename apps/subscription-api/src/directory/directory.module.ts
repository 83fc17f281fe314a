import { Module } from '@nestjs/common';
import { AgentEventsModule } from '../agent-events/agent-events.module.js';
import { AgentsModule } from '../agents/agents.module.js';
import { AgentSearchController } from './agent-search.controller.js';
import { AgentController } from './agent.controller.js';

/** The directory of queue agents: contract §3. An agent goes with its agent events. */
@Module({
  imports: [AgentsModule, AgentEventsModule],
  controllers: [AgentController, AgentSearchController],
})
export class DirectoryModule {}
