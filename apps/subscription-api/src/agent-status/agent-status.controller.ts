import { Controller, Get, Headers, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { bearerTokenOf } from '#auth';
import { ApiError } from '#http';
import { AgentRepository, agentSchema, type AgentView } from '../agents/agents.module.js';
import { RefuseUnknownKeys } from '../http/known-keys.js';
import { NEXT_CURSOR, rangeOf, type Paging } from '../http/paging.js';
import { ClientId, CLIENT_PATH } from '../http/path-params.js';
import { describeStream, OpenStreams, STREAM_EXAMPLES } from '../streams/streams.module.js';
import {
  historyQuerySchema,
  loggedChangeSchema,
  snapshotQuerySchema,
  streamEventSchema,
  streamQuerySchema,
  loggedChangeViewOf,
} from './agent-status.schema.js';
import { summaryOf, summarySchema, type SummaryView } from './agent-summary.js';
import { parseCursor, refuseCursor } from './cursor.js';
import { LogMark } from './log-mark.js';
import { SnapshotRepository } from './snapshot.repository.js';
import { StatusLogRepository } from './status-log.repository.js';
import { StatusStreams, type StreamStart } from './status-streams.js';

const CURSOR_HEADER = 'x-event-cursor';
const CURSOR = { 'X-Event-Cursor': { description: 'Where stream and history continue', schema: { type: 'integer' as const } } };
const NEXT = {
  'X-Next-Cursor': {
    description: 'With `order=desc`: `before` of the next page; absent at the end',
    schema: { type: 'integer' as const },
  },
};

/** What agents do: contract §3. */
@ApiTags('Agent status')
@Controller(`${CLIENT_PATH}/agent_status`)
export class AgentStatusController {
  constructor(
    private readonly agents: AgentRepository,
    private readonly snapshots: SnapshotRepository,
    private readonly log: StatusLogRepository,
    private readonly mark: LogMark,
    private readonly streams: StatusStreams,
    private readonly openStreams: OpenStreams,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'Every agent as it is now',
    description:
      'Continue from the cursor with the stream or the history. With several pages: from the cursor of the first; changes made while pages were read are told again, which their `sequence` shows.',
  })
  @ApiResponse({ status: 200, description: 'Ordered by id', standardSchema: agentSchema, isArray: true, headers: CURSOR })
  async snapshot(
    @ClientId() clientId: number,
    @Query({ schema: snapshotQuerySchema }) paging: Paging,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AgentView[]> {
    const { skip, take } = rangeOf(paging);
    const { value, cursor } = await this.snapshots.read((manager) => this.agents.list(clientId, undefined, skip, take, manager));
    reply.header(CURSOR_HEADER, cursor);
    return value;
  }

  @Get('summary')
  @RefuseUnknownKeys()
  @ApiOperation({
    summary: 'How many agents are available, and how many are not',
    description: 'Of each type and in all, with the cursor that the stream and the history continue from.',
  })
  @ApiResponse({ status: 200, description: 'As of the cursor', standardSchema: summarySchema })
  async summary(@ClientId() clientId: number): Promise<SummaryView> {
    const { value, cursor } = await this.snapshots.read((manager) => this.agents.count(clientId, manager));
    return summaryOf(value, cursor);
  }

  @Get('history')
  @ApiOperation({
    summary: 'The log of status changes',
    description:
      'Continue with `after` set to the answer’s `X-Event-Cursor`; with `order=desc`, go back with `before` set to its `X-Next-Cursor`. Removed agents’ changes are there too.',
  })
  @ApiResponse({
    status: 200,
    description: 'In the order that was asked for',
    standardSchema: loggedChangeSchema,
    isArray: true,
    headers: { ...CURSOR, ...NEXT },
  })
  async history(
    @ClientId() clientId: number,
    @Query({ schema: historyQuerySchema }) query: z.output<typeof historyQuerySchema>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<unknown[]> {
    const { agent_id: agentId, agent_type: agentType, since, until, before, order, per_page: limit } = query;
    const after = query.after ? await this.findStart(query.after) : 0;
    const end = Math.max(after, (await this.mark.move()).position);
    const upTo = before === undefined ? end : Math.min(end, before - 1);
    const filter = { agentId, agentType, since, until, after, upTo, order };
    const found = await this.log.readHistory(clientId, filter, limit + 1); // one more tells whether this is the end
    const changes = found.slice(0, limit);
    const last = found.length > limit ? changes.at(-1)!.position : undefined;
    reply.header(CURSOR_HEADER, order === 'asc' ? (last ?? Math.max(after, upTo)) : end);
    if (order === 'desc' && last !== undefined) reply.header(NEXT_CURSOR, last);
    return changes.map(loggedChangeViewOf);
  }

  @Get('stream')
  @ApiOperation({
    summary: 'Status changes and changes of the directory as they happen',
    description: `Server-Sent Events, whose id is the cursor. Resumes after \`Last-Event-ID\` (or \`after\`) with nothing missed.

- \`agent-status\`: a status change, as in the history.
- \`agent\`: \`{"change":"created"|"renamed"|"removed", …the agent}\`.
- \`reset\`: \`{"reason":"expired_cursor"|"unknown_cursor"}\`. What came after the \`Last-Event-ID\` is not kept, or it is none of this log; read \`/agent_status/\` again. The stream goes on from the event's id.

The stream ends with its token or application; a reader that takes nothing for a minute is cut off. At most 200 streams a client.`,
  })
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'The id of the last event that was received' })
  @ApiProduces('text/event-stream')
  @ApiResponse({
    status: 200,
    description: 'The `data` of an event',
    standardSchema: streamEventSchema,
    examples: { 'agent-status': STREAM_EXAMPLES['agent-status'], agent: STREAM_EXAMPLES.agent, reset: STREAM_EXAMPLES.reset },
  })
  async stream(
    @ClientId() clientId: number,
    @Query({ schema: streamQuerySchema }) { after }: z.output<typeof streamQuerySchema>,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const token = bearerTokenOf(request.headers.authorization);
    if (token === undefined) throw ApiError.unauthorized(false);
    const lastId = lastEventId === undefined ? undefined : parseLastEventId(lastEventId);
    this.openStreams.takePlace(clientId, reply.raw);
    const start = lastId === undefined ? await this.startAfter(after) : await this.resumeAfter(lastId);
    describeStream(reply);
    if (request.method === 'HEAD') return void reply.send();
    void reply.send(this.streams.follow({ clientId, token }, start, reply.raw).body);
  }

  private async startAfter(after: number | undefined): Promise<StreamStart> {
    return { cursor: after === undefined ? (await this.mark.move()).position : await this.findStart(after) };
  }

  /**
   * Resumes after a `Last-Event-ID`. A browser that reconnects cannot choose another cursor, so an unusable one is answered by a
   * `reset` event and a stream from now on.
   */
  private async resumeAfter(lastId: number): Promise<StreamStart> {
    const start = await this.mark.findStart(lastId);
    return typeof start === 'number' ? { cursor: start } : { cursor: this.mark.position, reset: start };
  }

  private async findStart(after: number): Promise<number> {
    const start = await this.mark.findStart(after);
    return typeof start === 'number' ? start : refuseCursor(start);
  }
}

function parseLastEventId(text: string): number {
  const cursor = parseCursor(text);
  if (cursor === undefined) throw ApiError.invalid('Last-Event-ID', 'must be the id of an event of this stream: a whole number');
  return cursor;
}
