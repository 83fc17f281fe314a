import { Body, Controller, Delete, Get, HttpCode, Post, Put, Query, UseFilters } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '#auth';
import { pagingSchema, type Paging } from '../http/paging.js';
import { Agent, EventId, type AgentRef, AGENT_EVENTS_OF_AGENT_PATH } from '../http/path-params.js';
import { UrlErrorFilter } from '../http/url-error.filter.js';
import {
  agentEventPatchSchema,
  agentEventSchema,
  newAgentEventSchema,
  type AgentEventPatch,
  type AgentEventView,
  type NewAgentEvent,
  agentEventViewOf,
} from './agent-event.schema.js';
import { AgentEvents } from './agent-events.js';

/** The notifications of one agent: contract §3, Seed. */
@ApiTags('Agent events')
@Controller(AGENT_EVENTS_OF_AGENT_PATH)
@UseFilters(UrlErrorFilter)
export class AgentEventController {
  constructor(private readonly agentEvents: AgentEvents) {}

  @Post()
  @ApiOperation({
    summary: 'Add an agent event',
    description: 'The same url, type and method twice are two agent events. Only later status changes are notified.',
  })
  @ApiResponse({ status: 201, description: 'The agent event', standardSchema: agentEventSchema })
  async add(
    @Agent() agent: AgentRef,
    @Body({ schema: newAgentEventSchema }) event: NewAgentEvent,
    @CurrentPrincipal() principal: Principal,
  ): Promise<AgentEventView> {
    return agentEventViewOf(await this.agentEvents.add(agent, event, principal));
  }

  @Get()
  @ApiOperation({
    summary: 'The agent events of an agent',
    description:
      'Of all applications of the client. Deliveries and health are listed apart, so that these have the keys of the documented API alone.',
  })
  @ApiResponse({ status: 200, description: 'Ordered by id', standardSchema: agentEventSchema, isArray: true })
  async list(@Agent() agent: AgentRef, @Query({ schema: pagingSchema }) paging: Paging): Promise<AgentEventView[]> {
    return (await this.agentEvents.list(agent, paging)).map(agentEventViewOf);
  }

  @Delete()
  @HttpCode(204)
  @ApiOperation({
    summary: 'Remove the agent events that this application added to the agent',
    description: 'Those of other applications stay. What waits for the removed ones is dropped.',
  })
  @ApiResponse({ status: 204, description: 'Removed, or there were none' })
  async removeOwn(@Agent() agent: AgentRef, @CurrentPrincipal() principal: Principal): Promise<void> {
    await this.agentEvents.removeOwn(agent, principal);
  }

  @Get(':event_id')
  @ApiOperation({ summary: 'An agent event', description: 'Its url, its method, and whether logins or logouts are sent there.' })
  @ApiResponse({ status: 200, description: 'The agent event', standardSchema: agentEventSchema })
  async find(@Agent() agent: AgentRef, @EventId() id: number): Promise<AgentEventView> {
    return agentEventViewOf(await this.agentEvents.find(agent, id));
  }

  @Put(':event_id')
  @ApiOperation({
    summary: 'Change an agent event',
    description: 'Any subset of the fields. Holds for every attempt from now on.',
  })
  @ApiResponse({ status: 200, description: 'The whole agent event', standardSchema: agentEventSchema })
  async change(
    @Agent() agent: AgentRef,
    @EventId() id: number,
    @Body({ schema: agentEventPatchSchema }) patch: AgentEventPatch,
    @CurrentPrincipal() principal: Principal,
  ): Promise<AgentEventView> {
    return agentEventViewOf(await this.agentEvents.change(agent, id, patch, principal));
  }

  @Delete(':event_id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Remove an agent event', description: 'What waits for it is dropped.' })
  @ApiResponse({ status: 204, description: 'Removed' })
  async remove(@Agent() agent: AgentRef, @EventId() id: number, @CurrentPrincipal() principal: Principal): Promise<void> {
    await this.agentEvents.remove(agent, id, principal);
  }
}
