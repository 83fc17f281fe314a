import { Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { AgentEvents } from '../agent-events/agent-events.js';
import { RefuseUnknownKeys } from '../request/known-keys.js';
import { strictPagingSchema, type Paging } from '../request/paging.js';
import { EventId, EventScope, type Scope } from '../request/path-params.js';
import { AGENT_EVENTS_OF_AGENT_PATH, AGENT_EVENTS_OF_CLIENT_PATH } from '../request/paths.js';
import { Deliveries } from './deliveries.js';
import { deliverySchema, testResultSchema, type DeliveryView, type TestResultView } from './delivery.schema.js';
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

  @Post(':event_id/test')
  @ApiOperation({ summary: 'Send a test notification now', description: 'Marked with the header `webhook-test: 1`.' })
  @ApiResponse({ status: 201, description: 'What came of it', standardSchema: testResultSchema })
  async test(@EventScope() scope: Scope, @EventId() id: number): Promise<TestResultView> {
    return this.testNotifier.send(await this.agentEvents.find(scope, id));
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
}
