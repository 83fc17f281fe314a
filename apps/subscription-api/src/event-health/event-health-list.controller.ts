import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { ID_LIMIT } from '#contracts';
import { pagingSchema, rangeOf } from '../http/paging.js';
import { ClientId, CLIENT_PATH } from '../http/path-params.js';
import { integerParam, wordParam } from '../http/query-params.js';
import { searchParam } from '../http/search.js';
import { EventHealthRepository, HEALTH_STATES } from './event-health.repository.js';
import { listedHealthOf, listedHealthSchema, type ListedHealthView } from './event-health.schema.js';

const querySchema = z.strictObject({
  state: wordParam(HEALTH_STATES).optional(),
  q: searchParam('Part of the url or of the agent’s name, or the beginning of the id'),
  agent_id: integerParam(0, ID_LIMIT - 1)
    .optional()
    .meta({ description: 'Those of this agent alone' }),
  ...pagingSchema.shape,
});

/** Lists all agent events and whether their notifications arrive: contract §3. */
@ApiTags('Agent events')
@Controller(`${CLIENT_PATH}/agent_event_health`)
export class EventHealthListController {
  constructor(private readonly health: EventHealthRepository) {}

  @Get()
  @ApiOperation({
    summary: 'All agent events, of single agents and of all, and whether notifications arrive',
    description: 'In one call, what `health` says of each: for a list that shows what does not arrive.',
  })
  @ApiResponse({ status: 200, description: 'Ordered by id', standardSchema: listedHealthSchema, isArray: true })
  async list(
    @ClientId() clientId: number,
    @Query({ schema: querySchema }) query: z.output<typeof querySchema>,
  ): Promise<ListedHealthView[]> {
    const { skip, take } = rangeOf(query);
    const { state, q, agent_id: agentId } = query;
    return (await this.health.find(clientId, { state, q, agentId }, skip, take)).map(listedHealthOf);
  }
}
