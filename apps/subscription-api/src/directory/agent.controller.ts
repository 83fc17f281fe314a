import { Body, Controller, Delete, Get, HttpCode, Put, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { CurrentPrincipal, RequireAccess, type Principal } from '#auth';
import type { AgentType } from '#contracts';
import { AgentEventRepository } from '../agent-events/agent-events.module.js';
import { AgentRepository, agentSchema, type AgentView } from '../agents/agents.module.js';
import { pagingSchema, rangeOf, type Paging } from '../http/paging.js';
import { Agent, agentNotFound, AgentTypeParam, ClientId, notFound, type AgentRef, AGENTS_PATH } from '../http/path-params.js';
import { agentNameSchema, readAgentName } from './agent-name.schema.js';

/** The directory of queue agents: contract §3. */
@ApiTags('Agents')
@Controller(AGENTS_PATH)
export class AgentController {
  constructor(
    private readonly agents: AgentRepository,
    private readonly agentEvents: AgentEventRepository,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'The agents of a type',
    description: 'Agents come from here or by telemetry; a removed one is not listed.',
  })
  @ApiResponse({ status: 200, description: 'Ordered by id', standardSchema: agentSchema, isArray: true })
  list(
    @ClientId() clientId: number,
    @AgentTypeParam() type: AgentType,
    @Query({ schema: pagingSchema }) paging: Paging,
  ): Promise<AgentView[]> {
    const { skip, take } = rangeOf(paging);
    return this.agents.list(clientId, type, skip, take);
  }

  @Get(':agent_id')
  @ApiOperation({
    summary: 'An agent',
    description:
      'Its name, its status, since when, and how many changes it has seen. An agent that was never seen is 404: add it by PUT, or report it once with its name.',
  })
  @ApiResponse({ status: 200, description: 'The agent', standardSchema: agentSchema })
  async find(@Agent() agent: AgentRef): Promise<AgentView> {
    const found = await this.agents.find(agent);
    if (!found) throw agentNotFound(agent);
    return found;
  }

  @Put(':agent_id')
  @RequireAccess('all', 'platform')
  @ApiOperation({
    summary: 'Create or rename an agent',
    description: '`extension_name` for a local agent, `agent_number` for a remote one.',
  })
  @ApiResponse({ status: 200, description: 'The agent', standardSchema: agentSchema })
  async put(
    @Agent() agent: AgentRef,
    @Body({ schema: agentNameSchema }) body: z.output<typeof agentNameSchema>,
  ): Promise<AgentView> {
    if (!(await this.agents.put(agent, readAgentName(agent.agentType, body)))) throw notFound('agent_not_found');
    return this.find(agent);
  }

  @Delete(':agent_id')
  @RequireAccess('all', 'platform')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Remove an agent',
    description:
      'An available agent is logged out first, and that is notified. Its agent events go with it, after those last notifications.',
  })
  @ApiResponse({ status: 204, description: 'Removed' })
  async remove(@Agent() agent: AgentRef, @CurrentPrincipal() principal: Principal): Promise<void> {
    if (!(await this.agentEvents.removeAgent(agent, principal))) throw notFound('agent_not_found');
  }
}
