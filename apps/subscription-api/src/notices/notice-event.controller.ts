import { Body, Controller, Delete, Get, HttpCode, Post, Put, Query, UseFilters } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '#auth';
import { RefuseUnknownKeys } from '../http/known-keys.js';
import { strictPagingSchema, type Paging } from '../http/paging.js';
import { ClientId, NoticeEventId, CLIENT_PATH } from '../http/path-params.js';
import { UrlErrorFilter } from '../http/url-error.filter.js';
import { NoticeEvents } from './notice-events.js';
import {
  newNoticeEventSchema,
  noticeEventPatchSchema,
  noticeEventSchema,
  type NewNoticeEvent,
  type NoticeEventPatch,
  type NoticeEventView,
} from './notice.schema.js';

/** Where notices are sent: contract §3. */
@ApiTags('Notices')
@Controller(`${CLIENT_PATH}/notice_event`)
@UseFilters(UrlErrorFilter)
@RefuseUnknownKeys()
export class NoticeEventController {
  constructor(private readonly noticeEvents: NoticeEvents) {}

  @Post()
  @ApiOperation({
    summary: 'Have notices sent to a url',
    description: 'As JSON by POST, signed with the client’s secret like notifications, and tried again on the same schedule.',
  })
  @ApiResponse({ status: 201, description: 'The notice event', standardSchema: noticeEventSchema })
  add(
    @ClientId() clientId: number,
    @Body({ schema: newNoticeEventSchema }) event: NewNoticeEvent,
    @CurrentPrincipal() principal: Principal,
  ): Promise<NoticeEventView> {
    return this.noticeEvents.add(clientId, event, principal);
  }

  @Get()
  @ApiOperation({ summary: 'Where notices are sent', description: 'Of all applications of the client.' })
  @ApiResponse({ status: 200, description: 'Ordered by id', standardSchema: noticeEventSchema, isArray: true })
  list(@ClientId() clientId: number, @Query({ schema: strictPagingSchema }) paging: Paging): Promise<NoticeEventView[]> {
    return this.noticeEvents.list(clientId, paging);
  }

  @Get(':notice_event_id')
  @ApiOperation({ summary: 'One url that notices are sent to', description: 'Which types of notices, and whether they arrive.' })
  @ApiResponse({ status: 200, description: 'The notice event', standardSchema: noticeEventSchema })
  find(@ClientId() clientId: number, @NoticeEventId() id: number): Promise<NoticeEventView> {
    return this.noticeEvents.find(clientId, id);
  }

  @Put(':notice_event_id')
  @ApiOperation({
    summary: 'Change where notices are sent',
    description: 'Any subset of the fields. What waits goes to a new url.',
  })
  @ApiResponse({ status: 200, description: 'The whole notice event', standardSchema: noticeEventSchema })
  change(
    @ClientId() clientId: number,
    @NoticeEventId() id: number,
    @Body({ schema: noticeEventPatchSchema }) patch: NoticeEventPatch,
  ): Promise<NoticeEventView> {
    return this.noticeEvents.change(clientId, id, patch);
  }

  @Delete(':notice_event_id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Send no more notices to a url', description: 'What waits for it is dropped.' })
  @ApiResponse({ status: 204, description: 'Removed' })
  async remove(@ClientId() clientId: number, @NoticeEventId() id: number): Promise<void> {
    await this.noticeEvents.remove(clientId, id);
  }

  @Post(':notice_event_id/resume')
  @ApiOperation({
    summary: 'Lift the suspension of a notice event',
    description: 'One that answered 410, or failed for five days, is suspended. What waited for it is sent.',
  })
  @ApiResponse({ status: 201, description: 'The notice event', standardSchema: noticeEventSchema })
  resume(@ClientId() clientId: number, @NoticeEventId() id: number): Promise<NoticeEventView> {
    return this.noticeEvents.resume(clientId, id);
  }
}
