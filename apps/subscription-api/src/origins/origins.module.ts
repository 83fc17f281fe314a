import { Module } from '@nestjs/common';
import { OriginController } from './origin.controller.js';
import { OriginRepository } from './origin.repository.js';

/** Where notifications go, and whether it is sent to: contract §3. */
@Module({
  controllers: [OriginController],
  providers: [OriginRepository],
})
export class OriginsModule {}
