import { Controller, Get, Param, Post } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { AgentEvents } from '../agent-events/agent-events.js';
import { errorSchema } from '#openapi';
import { RefuseUnknownKeys } from '../http/known-keys.js';
import { EventId, EventScope, type Scope, AGENT_EVENTS_OF_AGENT_PATH, AGENT_EVENTS_OF_CLIENT_PATH } from '../http/path-params.js';
import { DeliveryCommands } from './delivery-commands.js';
import { deliverySchema, type DeliveryView } from './delivery.schema.js';
import { EventHealth } from '../event-health/event-health.js';
import { healthSchema, type HealthView } from '../event-health/event-health.schema.js';

/** How an agent event does, and what may be asked of its notifications: contract §3. */
@ApiTags('Deliveries')
@Controller([AGENT_EVENTS_OF_AGENT_PATH, AGENT_EVENTS_OF_CLIENT_PATH])
@RefuseUnknownKeys()
export class DeliveryCommandController {
  constructor(
    private readonly agentEvents: AgentEvents,
    private readonly eventHealth: EventHealth,
    private readonly commands: DeliveryCommands,
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
    return this.commands.pause(await this.agentEvents.find(scope, id));
  }

  @Post(':event_id/resume')
  @ApiOperation({ summary: 'Lift a suspension or a pause', description: 'What waited is sent, in order.' })
  @ApiResponse({ status: 201, description: 'The health', standardSchema: healthSchema })
  async resume(@EventScope() scope: Scope, @EventId() id: number): Promise<HealthView> {
    return this.commands.resume(await this.agentEvents.find(scope, id));
  }

  @Post(':event_id/delivery/:delivery_id/redeliver')
  @ApiOperation({
    summary: 'Send a delivery again',
    description:
      'A finished one is sent with the full retry schedule and the same `webhook-id`; the next attempt of one that is tried again comes now. ' +
      'One that waits, is being sent or is suspended: 409 `already_waiting`.',
  })
  @ApiResponse({ status: 201, description: 'The delivery', standardSchema: deliverySchema })
  @ApiResponse({ status: 409, description: 'It is on its way: `already_waiting`', standardSchema: errorSchema })
  async redeliver(
    @EventScope() scope: Scope,
    @EventId() id: number,
    @Param('delivery_id') deliveryId: string,
  ): Promise<DeliveryView> {
    return this.commands.redeliver(await this.agentEvents.find(scope, id), deliveryId);
  }
}
