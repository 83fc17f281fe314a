import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { noticeViewOf } from '#contracts';
import { RefuseUnknownKeys } from '../http/known-keys.js';
import { answerPage, NEXT_CURSOR_HEADER } from '../http/paging.js';
import { ClientId, CLIENT_PATH } from '../http/path-params.js';
import { NoticeRepository } from './notice.repository.js';
import { noticeQuerySchema, noticeSchema, type NoticeListView, type NoticeQuery } from './notice.schema.js';

/** What people who look after notifications should know: contract §3. */
@ApiTags('Notices')
@Controller(`${CLIENT_PATH}/notice`)
@RefuseUnknownKeys()
export class NoticeController {
  constructor(private readonly notices: NoticeRepository) {}

  @Get()
  @ApiOperation({
    summary: 'The notices of the client',
    description:
      'An agent event was suspended or resumed, a replay has finished, or nine tenths of the limit are in use. Go on with `before` set to the answer’s `X-Next-Cursor`.',
  })
  @ApiResponse({
    status: 200,
    description: 'The newest first',
    standardSchema: noticeSchema,
    isArray: true,
    headers: NEXT_CURSOR_HEADER,
  })
  async list(
    @ClientId() clientId: number,
    @Query({ schema: noticeQuerySchema }) { before, per_page }: NoticeQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NoticeListView[]> {
    const found = await this.notices.list(clientId, before, per_page + 1);
    return answerPage(found, per_page, reply).map((row) => ({
      ...noticeViewOf(row),
      data: { ...row.data },
      deliveries: row.deliveries,
    }));
  }
}
