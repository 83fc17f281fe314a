import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { RefuseUnknownKeys } from '../http/known-keys.js';
import { ClientId, CLIENT_PATH } from '../http/path-params.js';
import { OriginRepository } from './origin.repository.js';
import { originSchema, originsOf, type OriginView } from './origins.js';

/** Where notifications go: contract §3. Nothing here tells of other clients, which may send to the same origins. */
@ApiTags('Deliveries')
@Controller(`${CLIENT_PATH}/origin`)
@RefuseUnknownKeys()
export class OriginController {
  constructor(private readonly origins: OriginRepository) {}

  @Get()
  @ApiOperation({
    summary: 'The origins of the client’s agent events, and whether they are sent to',
    description: 'Some seconds behind.',
  })
  @ApiResponse({ status: 200, description: 'Ordered by name', standardSchema: originSchema, isArray: true })
  async list(@ClientId() clientId: number): Promise<OriginView[]> {
    const [authorities, states] = await Promise.all([this.origins.authorities(clientId), this.origins.states(clientId)]);
    return originsOf(authorities, states);
  }
}
