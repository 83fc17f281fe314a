import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { AgentEvents } from '../agent-events/agent-events.js';
import { RefuseUnknownKeys } from '../request/known-keys.js';
import { strictPagingSchema, type Paging } from '../request/paging.js';
import { EventId, EventScope, type Scope } from '../request/path-params.js';
import { AGENT_EVENTS_OF_AGENT_PATH, AGENT_EVENTS_OF_CLIENT_PATH } from '../request/paths.js';
import { Deliveries } from './deliveries.js';
import {
  deliverySchema,
  healthSchema,
  replayedSchema,
  replaySchema,
  testResultSchema,
  type DeliveryView,
  type HealthView,
  type Replay,
  type TestResultView,
} from './delivery.schema.js';
import { TestNotifier } from './test-notifier.js';

/** What became of the notifications of an agent event, of one agent or of all: contract §3. */
@ApiTags('Deliveries')
@Controller([AGENT_EVENTS_OF_AGENT_PATH, AGENT_EVENTS_OF_CLIENT_PATH])
@RefuseUnknownKeys()
export class DeliveryController {
  constructor(
    private readonly agentEvents: AgentEvents,
    private readonly deliveries: Deliveries,
    private readonly testNotifier: TestNotifier,
  ) {}

  @Get(':event_id/health')
  @ApiOperation({
    summary: 'Whether notifications arrive',
    description:
      '`failing` since the last attempt failed; `suspended` by a 410 (`gone`) or after failing for 5 days (`failing`), until it is resumed.',
  })
  @ApiResponse({ status: 200, description: 'The health', standardSchema: healthSchema })
  async health(@EventScope() scope: Scope, @EventId() id: number): Promise<HealthView> {
    return this.deliveries.health(await this.agentEvents.find(scope, id));
  }

  @Post(':event_id/resume')
  @ApiOperation({ summary: 'Lift a suspension', description: 'What waited is sent, in order.' })
  @ApiResponse({ status: 201, description: 'The health', standardSchema: healthSchema })
  async resume(@EventScope() scope: Scope, @EventId() id: number): Promise<HealthView> {
    return this.deliveries.resume(await this.agentEvents.find(scope, id));
  }

  @Post(':event_id/test')
  @ApiOperation({ summary: 'Send a test notification now', description: 'Marked with the header `webhook-test: 1`.' })
  @ApiResponse({ status: 201, description: 'What came of it', standardSchema: testResultSchema })
  async test(@EventScope() scope: Scope, @EventId() id: number): Promise<TestResultView> {
    return this.testNotifier.send(await this.agentEvents.find(scope, id));
  }

  @Post(':event_id/replay')
  @ApiOperation({
    summary: 'Send the finished notifications of a span of time again',
    description: 'With the full retry schedule.',
  })
  @ApiResponse({ status: 201, description: 'How many', standardSchema: replayedSchema })
  async replay(
    @EventScope() scope: Scope,
    @EventId() id: number,
    @Body({ schema: replaySchema }) replay: Replay,
  ): Promise<{ queued: number }> {
    return { queued: await this.deliveries.replay(await this.agentEvents.find(scope, id), replay) };
  }

  @Get(':event_id/delivery')
  @ApiOperation({
    summary: 'The deliveries, with every attempt',
    description: 'What became of each change: when it was tried, how long it took, and what was answered.',
  })
  @ApiResponse({
    status: 200,
    description: 'Ordered by id, which is the order of time',
    standardSchema: deliverySchema,
    isArray: true,
  })
  async list(
    @EventScope() scope: Scope,
    @EventId() id: number,
    @Query({ schema: strictPagingSchema }) paging: Paging,
  ): Promise<DeliveryView[]> {
    return this.deliveries.list(await this.agentEvents.find(scope, id), paging);
  }

  @Get(':event_id/delivery/:delivery_id')
  @ApiOperation({
    summary: 'A delivery, with every attempt',
    description: 'What became of one change: when it was tried, how long it took, and what was answered.',
  })
  @ApiResponse({ status: 200, description: 'The delivery', standardSchema: deliverySchema })
  async find(@EventScope() scope: Scope, @EventId() id: number, @Param('delivery_id') deliveryId: string): Promise<DeliveryView> {
    return this.deliveries.find(await this.agentEvents.find(scope, id), deliveryId);
  }

  @Post(':event_id/delivery/:delivery_id/redeliver')
  @ApiOperation({ summary: 'Send a delivery again', description: 'With the full retry schedule and the same `webhook-id`.' })
  @ApiResponse({ status: 201, description: 'The delivery', standardSchema: deliverySchema })
  async redeliver(
    @EventScope() scope: Scope,
    @EventId() id: number,
    @Param('delivery_id') deliveryId: string,
  ): Promise<DeliveryView> {
    return this.deliveries.redeliver(await this.agentEvents.find(scope, id), deliveryId);
  }
}
