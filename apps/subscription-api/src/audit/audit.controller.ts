import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { AUDITED_ACTIONS, AuditRepository } from '#applications';
import { RequireAccess } from '#auth';
import { RefuseUnknownKeys } from '../http/known-keys.js';
import { answerPage, NEXT_CURSOR_HEADER, pagingSchema } from '../http/paging.js';
import { ClientId, CLIENT_PATH } from '../http/path-params.js';
import { integerParam } from '../http/query-params.js';

const querySchema = z.strictObject({
  before: integerParam(0, Number.MAX_SAFE_INTEGER).optional().meta({
    description: '`X-Next-Cursor` of the page before, or the id of an entry: those before it',
  }),
  per_page: pagingSchema.shape.per_page,
});

const auditSchema = z
  .object({
    id: z.number().int().meta({ example: 42 }),
    at: z.iso.datetime(),
    by: z.string().meta({
      description: 'The application; `command line`, `BOOTSTRAP_APPS` or `OIDC_ISSUER` where it was none',
      example: 'crm',
    }),
    action: z.enum(AUDITED_ACTIONS).meta({ example: 'agent_event.changed' }),
    subject: z.string().meta({ description: 'The id of the agent event, secret or application', example: '7' }),
    detail: z.record(z.string(), z.unknown()).meta({
      description:
        'Of a change what was there and what is, by field; else what was added or removed. Never a secret, and of urls no query',
      example: { method: { from: 'GET', to: 'POST' } },
    }),
  })
  .meta({ id: 'AuditEntry' });

/** Who changed which agent event, secret and application of the client. */
@ApiTags('Applications and tokens')
@Controller(`${CLIENT_PATH}/audit`)
@RefuseUnknownKeys()
export class AuditController {
  constructor(private readonly audit: AuditRepository) {}

  @Get()
  @RequireAccess('all', 'platform')
  @ApiOperation({
    summary: 'Who changed which agent event, secret and application',
    description: 'Kept for 90 days. Go on with `before` set to the answer’s `X-Next-Cursor`.',
  })
  @ApiResponse({
    status: 200,
    description: 'The newest first',
    standardSchema: auditSchema,
    isArray: true,
    headers: NEXT_CURSOR_HEADER,
  })
  async list(
    @ClientId() clientId: number,
    @Query({ schema: querySchema }) { before, per_page }: z.output<typeof querySchema>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object[]> {
    const found = await this.audit.list(clientId, before, per_page + 1);
    return answerPage(found, per_page, reply).map((row) => ({ ...row, at: row.at.toISOString() }));
  }
}
