import { Controller, Get, Post } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { AgentEvents } from '../agent-events/agent-events.module.js';
import { RefuseUnknownKeys } from '../http/known-keys.js';
import { AGENT_EVENTS_OF_AGENT_PATH, AGENT_EVENTS_OF_CLIENT_PATH, EventId, EventScope, type Scope } from '../http/path-params.js';
import { EventHealth } from './event-health.js';
import { healthSchema, type HealthView } from './event-health.schema.js';

/** How an agent event does, and holding its notifications: contract §3. */
@ApiTags('Deliveries')
@Controller([AGENT_EVENTS_OF_AGENT_PATH, AGENT_EVENTS_OF_CLIENT_PATH])
@RefuseUnknownKeys()
export class EventHealthController {
  constructor(
    private readonly agentEvents: AgentEvents,
    private readonly eventHealth: EventHealth,
  ) {}

  @Get(':event_id/health')
  @ApiOperation({
    summary: 'Whether notifications arrive',
    description:
      '`failing` since the last attempt failed; `suspended` by a 410 (`gone`), after failing for 5 days (`failing`), or because somebody paused it (`paused`), until it is resumed.',
  })
  @ApiResponse({ status: 200, description: 'The health', standardSchema: healthSchema })
  async health(@EventScope() scope: Scope, @EventId() id: number): Promise<HealthView> {
    return this.eventHealth.of(await this.agentEvents.find(scope, id));
  }

  @Post(':event_id/pause')
  @ApiOperation({
    summary: 'Hold the notifications',
    description:
      'As a suspension does, with the reason `paused`: what changes waits, each until its retry window ends. `resume` ends it.',
  })
  @ApiResponse({ status: 201, description: 'The health', standardSchema: healthSchema })
  async pause(@EventScope() scope: Scope, @EventId() id: number): Promise<HealthView> {
    return this.eventHealth.pause(await this.agentEvents.find(scope, id));
  }

  @Post(':event_id/resume')
  @ApiOperation({ summary: 'Lift a suspension or a pause', description: 'What waited is sent, in order.' })
  @ApiResponse({ status: 201, description: 'The health', standardSchema: healthSchema })
  async resume(@EventScope() scope: Scope, @EventId() id: number): Promise<HealthView> {
    return this.eventHealth.resume(await this.agentEvents.find(scope, id));
  }
}
