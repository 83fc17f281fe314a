import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { ACCESS_LEVELS, CurrentPrincipal, type Principal } from '#auth';
import { API_PREFIX } from '../http/path-params.js';

const userSchema = z
  .object({
    id: z.number().int().meta({ example: 1 }),
    login: z.string().meta({ description: 'The application', example: 'demo' }),
    admin: z.boolean().meta({ description: 'Whether the application acts for every client', example: false }),
    client_id: z.number().int().meta({ example: 12 }),
    access: z.enum(ACCESS_LEVELS).meta({ description: 'What the application may do', example: 'all' }),
  })
  .meta({ id: 'User' });

/** Whose token a request carries: contract §2. */
@ApiTags('Applications and tokens')
@Controller(`${API_PREFIX}/user`)
export class UserController {
  @Get()
  @ApiOperation({
    summary: 'Whose token this is',
    description: 'The application, its client and what it may do, as of now: an access level that was changed shows at once.',
  })
  @ApiResponse({ status: 200, description: 'The application of the token', standardSchema: userSchema })
  user(@CurrentPrincipal() principal: Principal): unknown {
    const { applicationId, appId, access, clientId } = principal;
    return { id: applicationId, login: appId, admin: access === 'platform', client_id: clientId, access };
  }
}
