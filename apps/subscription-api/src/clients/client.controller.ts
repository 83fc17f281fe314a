import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { RequireAccess } from '#auth';
import { pagingSchema, rangeOf } from '../request/paging.js';
import { CLIENTS_PATH } from '../request/paths.js';
import { searchParam } from '../request/search.js';
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
  constructor(private readonly clients: ClientRepository) {}

  @Get()
  @RequireAccess('platform')
  @ApiOperation({ summary: 'The clients', description: 'Access `platform` only.' })
  @ApiResponse({ status: 200, description: 'Ordered by id', standardSchema: clientSchema, isArray: true })
  list(@Query({ schema: querySchema }) query: z.output<typeof querySchema>): Promise<ClientRow[]> {
    const { skip, take } = rangeOf(query);
    return this.clients.search(query.q, skip, take);
  }
}
