import { Module } from '@nestjs/common';
import { AccessModule } from '#applications';
import { AuditController } from './audit.controller.js';
import { AuditJob } from './audit.job.js';

/** Who changed what: contract §3. */
@Module({
  imports: [AccessModule],
  controllers: [AuditController],
  providers: [AuditJob],
})
export class AuditModule {}
