import { Body, Controller, Delete, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { AgentEvents } from '../agent-events/agent-events.module.js';
import { RefuseUnknownKeys } from '../http/known-keys.js';
import { strictPagingSchema, type Paging } from '../http/paging.js';
import {
  EventId,
  EventScope,
  ReplayId,
  type Scope,
  AGENT_EVENTS_OF_AGENT_PATH,
  AGENT_EVENTS_OF_CLIENT_PATH,
} from '../http/path-params.js';
import {
  newReplaySchema,
  replayCountSchema,
  replaySchema,
  replaySpanSchema,
  type ReplayCountView,
  type ReplaySpan,
  type ReplayView,
} from './replay.schema.js';
import { Replays } from './replays.js';

/** Starts, shows and cancels replays of one agent event: contract §3. */
@ApiTags('Replays')
@Controller([AGENT_EVENTS_OF_AGENT_PATH, AGENT_EVENTS_OF_CLIENT_PATH])
@RefuseUnknownKeys()
export class ReplayController {
  constructor(
    private readonly agentEvents: AgentEvents,
    private readonly replays: Replays,
  ) {}

  @Post(':event_id/replay/count')
  @ApiOperation({ summary: 'How many notifications a replay would send', description: 'Nothing is sent.' })
  @ApiResponse({ status: 201, description: 'How many, and when they changed', standardSchema: replayCountSchema })
  async count(
    @EventScope() scope: Scope,
    @EventId() id: number,
    @Body({ schema: replaySpanSchema }) span: ReplaySpan,
  ): Promise<ReplayCountView> {
    return this.replays.count(await this.agentEvents.find(scope, id), span);
  }

  @Post(':event_id/replay')
  @ApiOperation({
    summary: 'Send the finished notifications of a span of time again',
    description:
      'A job that goes on by itself: in order among themselves, each with the full retry schedule and its own `webhook-id`. ' +
      'New changes and other clients are not held up. Replays of one agent event come one after another.',
  })
  @ApiResponse({ status: 201, description: 'The replay', standardSchema: replaySchema })
  async start(
    @EventScope() scope: Scope,
    @EventId() id: number,
    @Body({ schema: newReplaySchema }) span: ReplaySpan,
  ): Promise<ReplayView> {
    return this.replays.start(await this.agentEvents.find(scope, id), span);
  }

  @Get(':event_id/replay')
  @ApiOperation({ summary: 'The replays of an agent event', description: 'Ordered by id, those that are over too.' })
  @ApiResponse({ status: 200, description: 'Ordered by id', standardSchema: replaySchema, isArray: true })
  async list(
    @EventScope() scope: Scope,
    @EventId() id: number,
    @Query({ schema: strictPagingSchema }) paging: Paging,
  ): Promise<ReplayView[]> {
    return this.replays.list(await this.agentEvents.find(scope, id), paging);
  }

  @Get(':event_id/replay/:replay_id')
  @ApiOperation({ summary: 'A replay, and how far it is', description: '`queued` is what is neither delivered nor failed yet.' })
  @ApiResponse({ status: 200, description: 'The replay', standardSchema: replaySchema })
  async find(@EventScope() scope: Scope, @EventId() id: number, @ReplayId() replayId: number): Promise<ReplayView> {
    return this.replays.find(await this.agentEvents.find(scope, id), replayId);
  }

  @Delete(':event_id/replay/:replay_id')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Cancel what a replay has not sent yet',
    description: 'What was sent stays sent. A replay that is over stays as it is.',
  })
  @ApiResponse({ status: 204, description: 'Cancelled, or it was over' })
  async cancel(@EventScope() scope: Scope, @EventId() id: number, @ReplayId() replayId: number): Promise<void> {
    await this.replays.cancel(await this.agentEvents.find(scope, id), replayId);
  }
}
