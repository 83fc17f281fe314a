import { Body, Controller, Delete, Get, HttpCode, Post, Put, Query, UseFilters } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '#auth';
import { RefuseUnknownKeys } from '../http/known-keys.js';
import { strictPagingSchema, type Paging } from '../http/paging.js';
import { ClientId, EventId, AGENT_EVENTS_OF_CLIENT_PATH } from '../http/path-params.js';
import { UrlErrorFilter } from '../http/url-error.filter.js';
import {
  allAgentsEventPatchSchema,
  allAgentsEventSchema,
  allAgentsEventViewOf,
  newAllAgentsEventSchema,
  type AgentEventPatch,
  type AllAgentsEventView,
  type NewAllAgentsEvent,
} from './agent-event.schema.js';
import { AgentEvents } from './agent-events.js';

/** Agent events for all agents of a client: contract §3. */
@ApiTags('Agent events of all agents')
@Controller(AGENT_EVENTS_OF_CLIENT_PATH)
@UseFilters(UrlErrorFilter)
@RefuseUnknownKeys()
export class AllAgentsEventController {
  constructor(private readonly agentEvents: AgentEvents) {}

  @Post()
  @ApiOperation({
    summary: 'Add one for all agents',
    description: 'Agents that come later are included. `agent_type` narrows it to one type. Counts one against the limit.',
  })
  @ApiResponse({ status: 201, description: 'The agent event', standardSchema: allAgentsEventSchema })
  async add(
    @ClientId() clientId: number,
    @Body({ schema: newAllAgentsEventSchema }) event: NewAllAgentsEvent,
    @CurrentPrincipal() principal: Principal,
  ): Promise<AllAgentsEventView> {
    return allAgentsEventViewOf(await this.agentEvents.add({ clientId }, event, principal));
  }

  @Get()
  @ApiOperation({
    summary: 'Those for all agents',
    description: 'Of all applications of the client; those for single agents are listed with the agent.',
  })
  @ApiResponse({ status: 200, description: 'Ordered by id', standardSchema: allAgentsEventSchema, isArray: true })
  async list(@ClientId() clientId: number, @Query({ schema: strictPagingSchema }) paging: Paging): Promise<AllAgentsEventView[]> {
    return (await this.agentEvents.list({ clientId }, paging)).map(allAgentsEventViewOf);
  }

  @Get(':event_id')
  @ApiOperation({
    summary: 'One for all agents',
    description: 'Its url, its method, whether logins or logouts are sent there, and of which agents.',
  })
  @ApiResponse({ status: 200, description: 'The agent event', standardSchema: allAgentsEventSchema })
  async find(@ClientId() clientId: number, @EventId() id: number): Promise<AllAgentsEventView> {
    return allAgentsEventViewOf(await this.agentEvents.find({ clientId }, id));
  }

  @Put(':event_id')
  @ApiOperation({ summary: 'Change one for all agents', description: 'Any subset of the fields.' })
  @ApiResponse({ status: 200, description: 'The whole agent event', standardSchema: allAgentsEventSchema })
  async change(
    @ClientId() clientId: number,
    @EventId() id: number,
    @Body({ schema: allAgentsEventPatchSchema }) patch: AgentEventPatch,
    @CurrentPrincipal() principal: Principal,
  ): Promise<AllAgentsEventView> {
    return allAgentsEventViewOf(await this.agentEvents.change({ clientId }, id, patch, principal));
  }

  @Delete(':event_id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Remove one for all agents', description: 'What waits for it is dropped.' })
  @ApiResponse({ status: 204, description: 'Removed' })
  async remove(@ClientId() clientId: number, @EventId() id: number, @CurrentPrincipal() principal: Principal): Promise<void> {
    await this.agentEvents.remove({ clientId }, id, principal);
  }
}
