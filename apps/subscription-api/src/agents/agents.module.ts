import { Module } from '@nestjs/common';
import { AgentRepository } from './agent.repository.js';

/** What presence knows of agents, for all that is shown of them. */
@Module({
  providers: [AgentRepository],
  exports: [AgentRepository],
})
export class AgentsModule {}

export { AgentRepository, type AgentCount, type AgentEver, type LastReportRow } from './agent.repository.js';
export { agentSchema, agentSchemaWith, agentViewOf, type AgentView } from './agent.schema.js';
