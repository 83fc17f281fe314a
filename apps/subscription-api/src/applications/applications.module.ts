import { Module } from '@nestjs/common';
import { AccessModule } from '#applications';
import { TokensModule } from '../tokens/tokens.module.js';
import { ApplicationController } from './application.controller.js';
import { BootstrapApplications } from './automatic-registration.js';
import { UserController } from './user.controller.js';

/** Registers applications, and tells whose a token is: contract §2. */
@Module({
  imports: [AccessModule, TokensModule],
  controllers: [ApplicationController, UserController],
  providers: [BootstrapApplications],
})
export class ApplicationsModule {}

export { externalRegistrar } from './automatic-registration.js';
