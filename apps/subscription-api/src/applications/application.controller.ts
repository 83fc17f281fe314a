import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import {
  Applications,
  newApplicationSchema,
  type Application,
  type ApplicationWithSecret,
  type NewApplication,
} from '#applications';
import { CurrentPrincipal, RequireAccess, type Principal } from '#auth';
import { ApiError } from '#http';
import { errorSchema } from '#openapi';
import type { Logger } from '#runtime';
import { LOGGER } from '../core.module.js';
import { rangeOf } from '../http/paging.js';
import { notFound, API_PREFIX } from '../http/path-params.js';
import {
  applicationQuerySchema,
  applicationSchema,
  applicationWithSecretSchema,
  rotationSchema,
  type ApplicationQuery,
  type SecretRotation,
} from './application.schema.js';

/** Registers applications, of any client: contract §2. */
@ApiTags('Applications and tokens')
@Controller(`${API_PREFIX}/application`)
export class ApplicationController {
  constructor(
    private readonly applications: Applications,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Post()
  @RequireAccess('platform')
  @ApiOperation({
    summary: 'Register an application',
    description: 'The secret is made here and shown in this answer alone. Access `platform` only, as all of these.',
  })
  @ApiResponse({ status: 201, description: 'The application and its secret', standardSchema: applicationWithSecretSchema })
  @ApiResponse({ status: 409, description: 'The `app_id` is taken: `already_exists`', standardSchema: errorSchema })
  async register(
    @Body({ schema: newApplicationSchema }) application: NewApplication,
    @CurrentPrincipal() { appId: by }: Principal,
  ): Promise<ApplicationWithSecret> {
    const registered = await this.applications.register(application, by);
    if (!registered) {
      const { app_id } = application;
      throw new ApiError('already_exists', `The app_id ${app_id} is taken (a revoked application keeps its own): choose another`);
    }
    const { app_id, client_id, access } = registered;
    this.logger.info({ app_id, client_id, access, by }, 'application.registered');
    return registered;
  }

  @Get()
  @RequireAccess('platform')
  @ApiOperation({ summary: 'The applications', description: 'Those that were revoked too.' })
  @ApiResponse({ status: 200, description: 'In the order of registration', standardSchema: applicationSchema, isArray: true })
  list(@Query({ schema: applicationQuerySchema }) { client_id, ...paging }: ApplicationQuery): Promise<Application[]> {
    return this.applications.list(client_id, rangeOf(paging));
  }

  @Get(':app_id')
  @RequireAccess('platform')
  @ApiOperation({ summary: 'An application' })
  @ApiResponse({ status: 200, description: 'The application', standardSchema: applicationSchema })
  async find(@Param('app_id') appId: string): Promise<Application> {
    return (await this.applications.find(appId)) ?? missing();
  }

  @Post(':app_id/secret')
  @RequireAccess('platform')
  @ApiOperation({
    summary: 'Rotate the secret of an application',
    description:
      'The new secret is shown in this answer alone. The replaced one is refused from now on, or after `keep_previous_for` seconds; one that an earlier rotation kept is refused from now on. Tokens stay good. A revoked application is `not_found`.',
  })
  @ApiBody({ required: false })
  @ApiResponse({ status: 201, description: 'The application and its new secret', standardSchema: applicationWithSecretSchema })
  async rotate(
    @Param('app_id') appId: string,
    @Body({ schema: rotationSchema }) { keep_previous_for }: SecretRotation,
    @CurrentPrincipal() { appId: by }: Principal,
  ): Promise<ApplicationWithSecret> {
    const rotated = (await this.applications.rotateSecret(appId, keep_previous_for, by)) ?? missing();
    this.logger.info({ app_id: appId, keep_previous_for, by }, 'application.secret_rotated');
    return rotated;
  }

  @Delete(':app_id')
  @RequireAccess('platform')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Revoke an application',
    description:
      'For good: it gets no more tokens, and those that it has are refused within 3 seconds. Its name stays taken, its agent events stay. An application cannot revoke itself, so that the last one of the platform is not locked out by accident.',
  })
  @ApiResponse({ status: 204, description: 'Revoked' })
  @ApiResponse({ status: 400, description: 'It is the calling application: `validation_error`', standardSchema: errorSchema })
  async revoke(@Param('app_id') appId: string, @CurrentPrincipal() { appId: by }: Principal): Promise<void> {
    if (appId === by) throw ApiError.invalid('app_id', 'is the calling application, which cannot revoke itself');
    if (!(await this.applications.revoke(appId, by))) throw notFound('not_found');
    this.logger.info({ app_id: appId, by }, 'application.revoked');
  }
}

function missing(): never {
  throw notFound('not_found');
}
