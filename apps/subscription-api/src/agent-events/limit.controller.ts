import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { ClientId } from '../request/path-params.js';
import { CLIENT_PATH } from '../request/paths.js';
import { AgentEventRepository } from './agent-event.repository.js';
import { limitSchema } from './agent-event.schema.js';

@ApiTags('Agent events')
@Controller(`${CLIENT_PATH}/limit`)
export class LimitController {
  constructor(private readonly agentEvents: AgentEventRepository) {}

  @Get()
  @ApiOperation({ summary: 'How many agent events the client may have, and has' })
  @ApiResponse({ status: 200, description: 'The limit', standardSchema: limitSchema })
  async limit(@ClientId() clientId: number): Promise<unknown> {
    const { limit, used } = await this.agentEvents.usage(clientId);
    return { agent_event: limit, agent_event_used: used };
  }
}
