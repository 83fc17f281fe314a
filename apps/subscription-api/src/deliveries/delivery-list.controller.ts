import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { bearerTokenOf } from '#auth';
import { ApiError } from '#http';
import { deliveryId, parseDeliveryId } from '#webhook';
import { RefuseUnknownKeys } from '../http/known-keys.js';
import { NEXT_CURSOR, NEXT_CURSOR_HEADER } from '../http/paging.js';
import { ClientId, notFound, CLIENT_PATH } from '../http/path-params.js';
import { describeStream, OpenStreams, STREAM_EXAMPLES } from '../streams/streams.module.js';
import { WebhookSecrets } from '../webhook-secrets/webhook-secrets.module.js';
import { DeliveryFactsRepository } from './delivery-facts.repository.js';
import type { DeliveryFilter } from './delivery-filter.js';
import { DeliveryList, type DeliveryPage } from './delivery-list.js';
import { DeliveryStreams } from './delivery-streams.js';
import { triggeredAttemptViewOf, listedViewOf, requestViewOf } from './delivery-view.js';
import {
  deliveryDetailsSchema,
  deliveryHintSchema,
  deliveryListQuerySchema,
  deliveryStreamQuerySchema,
  listedDeliverySchema,
  type DeliveryDetailsView,
  type DeliveryListQuery,
  type DeliveryStreamQuery,
  type ListedDeliveryView,
} from './delivery-view.schema.js';

/** Lists a client's notifications, streams what becomes of them, and shows one: contract §3. */
@ApiTags('Deliveries')
@Controller(`${CLIENT_PATH}/delivery`)
@RefuseUnknownKeys()
export class DeliveryListController {
  constructor(
    private readonly deliveries: DeliveryList,
    private readonly facts: DeliveryFactsRepository,
    private readonly secrets: WebhookSecrets,
    private readonly streams: DeliveryStreams,
    private readonly openStreams: OpenStreams,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'The deliveries of the client',
    description:
      'Go on with `before` set to the answer’s `X-Next-Cursor`. A page may have fewer than asked for and not be the last.',
  })
  @ApiResponse({
    status: 200,
    description: 'The newest first',
    standardSchema: listedDeliverySchema,
    isArray: true,
    headers: NEXT_CURSOR_HEADER,
  })
  async list(
    @ClientId() clientId: number,
    @Query({ schema: deliveryListQuerySchema }) query: DeliveryListQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ListedDeliveryView[]> {
    const { before, per_page } = query;
    return sendPage(await this.deliveries.page(clientId, filterOf(query), before, per_page), reply);
  }

  @Get('stream')
  @ApiOperation({
    summary: 'What becomes of deliveries, as it does',
    description:
      'Server-Sent Events `delivery`, some at a time: `{"delivery_id","status","attempt"}`. A hint, not a log: nothing is resumed, and in a flood not everything is told. After a gap read the list again.',
  })
  @ApiProduces('text/event-stream')
  @ApiResponse({
    status: 200,
    description: 'The `data` of an event',
    standardSchema: deliveryHintSchema,
    examples: { delivery: STREAM_EXAMPLES.delivery },
  })
  stream(
    @ClientId() clientId: number,
    @Query({ schema: deliveryStreamQuerySchema }) query: DeliveryStreamQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): void {
    const token = bearerTokenOf(request.headers.authorization);
    if (token === undefined) throw ApiError.unauthorized(false);
    this.openStreams.takePlace(clientId, reply.raw);
    describeStream(reply);
    if (request.method === 'HEAD') return void reply.send();
    void reply.send(this.streams.follow({ clientId, token }, filterOf(query), reply.raw).body);
  }

  @Get(':delivery_id')
  @ApiOperation({
    summary: 'A delivery, with every attempt and the request',
    description: 'The request is composed as it would be sent now; where the url was changed since, it says so.',
  })
  @ApiResponse({ status: 200, description: 'The delivery', standardSchema: deliveryDetailsSchema })
  async find(@ClientId() clientId: number, @Param('delivery_id') id: string): Promise<DeliveryDetailsView> {
    const key = parseDeliveryId(id);
    const [delivery] = key ? await this.deliveries.show(clientId, [key]) : [];
    // An agent event that is gone has left attempts: they are the client's whose change it was.
    if (!delivery || (!delivery.event && !delivery.change)) throw notFound('delivery_not_found');
    const [attempts, keys] = await Promise.all([this.facts.attemptsOf(delivery), this.secrets.signingKeys(clientId)]);
    return { ...listedViewOf(delivery), attempts: attempts.map(triggeredAttemptViewOf), request: requestViewOf(delivery, keys) };
  }
}

/** Reads a query's filters. */
export function filterOf({
  status,
  agent_id,
  agent_type,
  since,
  until,
  agent_event_id,
}: Omit<Partial<DeliveryListQuery>, 'before' | 'per_page'>): DeliveryFilter {
  return { statuses: status, agentId: agent_id, agentType: agent_type, since, until, agentEventId: agent_event_id };
}

/** Shows a page, and says in a header where the next one begins. */
export function sendPage({ deliveries, next }: DeliveryPage, reply: FastifyReply): ListedDeliveryView[] {
  if (next) reply.header(NEXT_CURSOR, deliveryId(next.changeId, next.agentEventId));
  return deliveries.map(listedViewOf);
}
