import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '#auth';
import { API_PREFIX } from '../http/path-params.js';
import { userSchema } from './application.schema.js';

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
