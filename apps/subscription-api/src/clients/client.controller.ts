import { Controller, Delete, Get, HttpCode, Inject, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { ClientRemovalRepository } from '#applications';
import { CurrentPrincipal, RequireAccess, type Principal } from '#auth';
import { ApiError } from '#http';
import type { Logger } from '#runtime';
import { ClientAccess } from '../admission/admission.module.js';
import { LOGGER } from '../core.module.js';
import { RefuseUnknownKeys } from '../http/known-keys.js';
import { pagingSchema, rangeOf } from '../http/paging.js';
import { ClientId, notFound, CLIENTS_PATH } from '../http/path-params.js';
import { searchParam } from '../http/search.js';
import { ClientRepository, type ClientRow } from './client.repository.js';

const querySchema = z.strictObject({ q: searchParam('The beginning of the id'), ...pagingSchema.shape });

const clientSchema = z
  .object({
    client_id: z.number().int().meta({ example: 12 }),
    agents: z.number().int().meta({ example: 23 }),
    agent_events: z.number().int().meta({ description: 'Those that count against its limit', example: 7 }),
  })
  .meta({ id: 'Client' });

/** All clients, for applications that act for each of them: contract §3. */
@ApiTags('Applications and tokens')
@Controller(CLIENTS_PATH)
export class ClientController {
  constructor(
    private readonly clients: ClientRepository,
    private readonly removals: ClientRemovalRepository,
    private readonly clientAccess: ClientAccess,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Get()
  @RequireAccess('platform')
  @ApiOperation({ summary: 'The clients', description: 'Access `platform` only.' })
  @ApiResponse({ status: 200, description: 'Ordered by id', standardSchema: clientSchema, isArray: true })
  list(@Query({ schema: querySchema }) query: z.output<typeof querySchema>): Promise<ClientRow[]> {
    const { skip, take } = rangeOf(query);
    return this.clients.search(query.q, skip, take);
  }

  @Delete(':client_id')
  @RequireAccess('platform')
  @RefuseUnknownKeys()
  @HttpCode(204)
  @ApiOperation({
    summary: 'Remove a client with all that is kept of it',
    description:
      'From the answer on it is `client_not_found`, on other instances within 3 seconds, and its applications can do nothing any more within as many; what is kept of it then goes by itself, within seconds or minutes: agent events, agents (logged out, which nobody is told), logs, deliveries, notices, secrets, applications. ' +
      'Of an agent its number stays, and how many changes it had. Not the client of the calling application.',
  })
  @ApiResponse({ status: 204, description: 'It is being removed' })
  async remove(@ClientId() clientId: number, @CurrentPrincipal() { appId: by, clientId: own }: Principal): Promise<void> {
    if (clientId === own)
      throw ApiError.invalid('client_id', 'is the client of the calling application, which cannot remove its own');
    if (!(await this.removals.request(clientId, by))) throw notFound('client_not_found');
    this.clientAccess.forget(clientId);
    this.logger.info({ client_id: clientId, by }, 'client.removed');
  }
}
