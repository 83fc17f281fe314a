import { Body, Controller, Get, Inject, Put } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequireAccess, type Principal } from '#auth';
import type { Logger } from '#runtime';
import { LOGGER } from '../core.module.js';
import { RefuseUnknownKeys } from '../http/known-keys.js';
import { ClientId, CLIENT_PATH } from '../http/path-params.js';
import { AgentEventRepository } from './agent-event.repository.js';
import { limitChangeSchema, limitSchema, type LimitChange, type LimitView } from './agent-event.schema.js';

@ApiTags('Agent events')
@Controller(`${CLIENT_PATH}/limit`)
export class LimitController {
  constructor(
    private readonly agentEvents: AgentEventRepository,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'How many agent events the client may have, and has',
    description: 'Those for one agent and those for all agents count alike, one each.',
  })
  @ApiResponse({ status: 200, description: 'The limit', standardSchema: limitSchema })
  async limit(@ClientId() clientId: number): Promise<LimitView> {
    const { limit, used } = await this.agentEvents.usage(clientId);
    return { agent_event: limit, agent_event_used: used };
  }

  @Put()
  @RefuseUnknownKeys()
  @RequireAccess('platform')
  @ApiOperation({
    summary: 'Give the client a limit of its own',
    description:
      'Access `platform` only. `null` goes back to the limit of all. A limit below what the client has refuses new agent events and keeps those.',
  })
  @ApiResponse({ status: 200, description: 'The limit', standardSchema: limitSchema })
  async change(
    @ClientId() clientId: number,
    @Body({ schema: limitChangeSchema }) { agent_event }: LimitChange,
    @CurrentPrincipal() { appId: by }: Principal,
  ): Promise<LimitView> {
    await this.agentEvents.setLimit(clientId, agent_event);
    this.logger.info({ client_id: clientId, agent_event, by }, 'limit.changed');
    return this.limit(clientId);
  }
}
