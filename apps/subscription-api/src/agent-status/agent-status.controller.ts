import { Controller, Get, Headers, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { AgentRepository } from '../agents/agent.repository.js';
import { agentSchema, type AgentView } from '../agents/agent.schema.js';
import { pagingSchema, rangeOf, type Paging } from '../request/paging.js';
import { ClientId } from '../request/path-params.js';
import { CLIENT_PATH } from '../request/paths.js';
import { historyQuerySchema, loggedChangeSchema, streamQuerySchema, viewOfChange } from './agent-status.schema.js';
import { StatusFeed, type StreamItem } from './status-feed.js';
import { StatusLogRepository } from './status-log.repository.js';

const CURSOR_HEADER = 'x-event-cursor';
const CURSOR = { 'X-Event-Cursor': { description: 'Where stream and history continue', schema: { type: 'integer' as const } } };
/** How soon a client reconnects, in milliseconds. */
const RETRY_MS = 2000;

/** What agents do: contract §3. */
@ApiTags('Agent status')
@Controller(`${CLIENT_PATH}/agent_status`)
export class AgentStatusController {
  constructor(
    private readonly agents: AgentRepository,
    private readonly log: StatusLogRepository,
    private readonly feed: StatusFeed,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'Every agent as it is now',
    description: 'Read all pages, then continue from the cursor of the first.',
  })
  @ApiResponse({ status: 200, description: 'Ordered by id', standardSchema: agentSchema, isArray: true, headers: CURSOR })
  async snapshot(
    @ClientId() clientId: number,
    @Query({ schema: pagingSchema }) paging: Paging,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AgentView[]> {
    // Before the agents are read: a change in between is repeated, never missed.
    reply.header(CURSOR_HEADER, await this.feed.highWaterMark());
    const { skip, take } = rangeOf(paging);
    return this.agents.list(clientId, undefined, skip, take);
  }

  @Get('history')
  @ApiOperation({ summary: 'The log of status changes', description: 'Continue with `after` set to the answer’s cursor.' })
  @ApiResponse({
    status: 200,
    description: 'In the order of the log',
    standardSchema: loggedChangeSchema,
    isArray: true,
    headers: CURSOR,
  })
  async history(
    @ClientId() clientId: number,
    @Query({ schema: historyQuerySchema }) query: z.output<typeof historyQuerySchema>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<unknown[]> {
    const { agent_id: agentId, since, after, per_page: limit } = query;
    const upTo = Math.max(after, await this.feed.highWaterMark());
    const changes = await this.log.read(clientId, { agentId, since, after, upTo }, limit);
    reply.header(CURSOR_HEADER, changes.length === limit ? changes.at(-1)!.position : upTo);
    return changes.map(viewOfChange);
  }

  @Get('stream')
  @ApiOperation({
    summary: 'Status changes as they happen',
    description:
      'Server-Sent Events named `agent-status`, with the cursor as their id. Resumes after `Last-Event-ID` (or `after`) with nothing missed.',
  })
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'The id of the last event that was received' })
  @ApiResponse({
    status: 200,
    description: 'text/event-stream',
    content: { 'text/event-stream': { schema: { type: 'string' } } },
  })
  async stream(
    @ClientId() clientId: number,
    @Query({ schema: streamQuerySchema }) query: z.output<typeof streamQuerySchema>,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const resumed = streamQuerySchema.shape.after.safeParse(lastEventId?.trim());
    const after = (resumed.success ? resumed.data : undefined) ?? query.after ?? (await this.feed.highWaterMark());
    reply
      .header('content-type', 'text/event-stream; charset=utf-8')
      .header('cache-control', 'no-cache, no-store')
      .header('x-accel-buffering', 'no');
    // A stream ends when somebody leaves; a connection kept for another request would only hold up the service's stop.
    reply.header('connection', 'close');
    if (request.method === 'HEAD') return void reply.send();
    const closed = new AbortController();
    reply.raw.on('close', () => closed.abort());
    void reply.send(Readable.from(eventStream(this.feed.follow(clientId, after, closed.signal))));
  }
}

async function* eventStream(items: AsyncIterable<StreamItem>): AsyncGenerator<string> {
  yield `retry: ${RETRY_MS}\n`;
  for await (const { cursor, change } of items) {
    // Without data there is no event, but the client keeps the id for when it resumes.
    if (!change) yield `: alive\nid: ${cursor}\n\n`;
    else yield `id: ${cursor}\nevent: agent-status\ndata: ${JSON.stringify(viewOfChange(change))}\n\n`;
  }
}
