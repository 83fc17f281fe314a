import { Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { errorSchema } from '#openapi';
import { AgentEvents } from '../agent-events/agent-events.module.js';
import { RefuseUnknownKeys } from '../http/known-keys.js';
import { NEXT_CURSOR_HEADER } from '../http/paging.js';
import { EventId, EventScope, type Scope, AGENT_EVENTS_OF_AGENT_PATH, AGENT_EVENTS_OF_CLIENT_PATH } from '../http/path-params.js';
import { AgentEventDeliveries } from './agent-event-deliveries.js';
import { filterOf, sendPage } from './delivery-list.controller.js';
import { DeliveryList } from './delivery-list.js';
import {
  deliveriesOfEventQuerySchema,
  isFiltered,
  listedDeliverySchema,
  type DeliveriesOfEventQuery,
  type ListedDeliveryView,
} from './delivery-view.schema.js';
import { deliverySchema, testResultSchema, type DeliveryView, type TestResultView } from './delivery.schema.js';
import { RedeliveryRequests } from './redelivery-requests.js';
import { TestNotifier } from './test-notifier.js';

const deliveriesOfEventSchema = z.union([listedDeliverySchema, deliverySchema]);

/** What became of the notifications of an agent event, of one agent or of all: contract §3. */
@ApiTags('Deliveries')
@Controller([AGENT_EVENTS_OF_AGENT_PATH, AGENT_EVENTS_OF_CLIENT_PATH])
@RefuseUnknownKeys()
export class DeliveryController {
  constructor(
    private readonly agentEvents: AgentEvents,
    private readonly deliveries: AgentEventDeliveries,
    private readonly deliveryList: DeliveryList,
    private readonly testNotifier: TestNotifier,
    private readonly redeliveryRequests: RedeliveryRequests,
  ) {}

  @Post(':event_id/test')
  @ApiOperation({ summary: 'Send a test notification now', description: 'Marked with the header `webhook-test: 1`.' })
  @ApiResponse({ status: 201, description: 'What came of it', standardSchema: testResultSchema })
  async test(@EventScope() scope: Scope, @EventId() id: number): Promise<TestResultView> {
    return this.testNotifier.send(await this.agentEvents.find(scope, id));
  }

  @Get(':event_id/delivery')
  @ApiOperation({
    summary: 'The deliveries of an agent event',
    description:
      'With `before` or a filter: the newest first, as `/delivery/` shows them; go on with `before` set to `X-Next-Cursor`. With neither: pages of the oldest first, with every attempt.',
  })
  @ApiResponse({
    status: 200,
    description: 'The newest or the oldest first',
    standardSchema: deliveriesOfEventSchema,
    isArray: true,
    headers: NEXT_CURSOR_HEADER,
  })
  async list(
    @EventScope() scope: Scope,
    @EventId() id: number,
    @Query({ schema: deliveriesOfEventQuerySchema }) { page = 1, per_page, before, ...filters }: DeliveriesOfEventQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<(DeliveryView | ListedDeliveryView)[]> {
    const event = await this.agentEvents.find(scope, id);
    if (before === undefined && !isFiltered(filters)) return this.deliveries.list(event, { page, per_page });
    const filter = filterOf({ ...filters, agent_event_id: event.id });
    return sendPage(await this.deliveryList.page(event.clientId, filter, before, per_page), reply);
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
    return this.redeliveryRequests.redeliver(await this.agentEvents.find(scope, id), deliveryId);
  }
}
