import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { AGENT_STATUSES, AGENT_TYPES } from '#contracts';
import { AgentRepository, agentSchema, type AgentView } from '../agents/agents.module.js';
import { pagingSchema, rangeOf } from '../http/paging.js';
import { ClientId, CLIENT_PATH } from '../http/path-params.js';
import { wordParam } from '../http/query-params.js';
import { searchParam } from '../http/search.js';

const querySchema = z.strictObject({
  q: searchParam('Part of the name or number, or the beginning of the id'),
  status: wordParam(AGENT_STATUSES).optional(),
  agent_type: wordParam(AGENT_TYPES).optional(),
  ...pagingSchema.shape,
});

/** The directory over both types: contract §3. */
@ApiTags('Agents')
@Controller(`${CLIENT_PATH}/agent`)
export class AgentSearchController {
  constructor(private readonly agents: AgentRepository) {}

  @Get()
  @ApiOperation({
    summary: 'Search the agents of both types',
    description: 'By name, number or the beginning of the id; ordered by id.',
  })
  @ApiResponse({ status: 200, description: 'Ordered by id', standardSchema: agentSchema, isArray: true })
  search(
    @ClientId() clientId: number,
    @Query({ schema: querySchema }) query: z.output<typeof querySchema>,
  ): Promise<AgentView[]> {
    const { skip, take } = rangeOf(query);
    const { q, status, agent_type: agentType } = query;
    return this.agents.search(clientId, { q, status, agentType }, skip, take);
  }
}
