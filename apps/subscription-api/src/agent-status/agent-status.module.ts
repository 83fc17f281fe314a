import { Module } from '@nestjs/common';
import { AgentsModule } from '../agents/agents.module.js';
import { StreamsModule } from '../streams/streams.module.js';
import { AgentStatusController } from './agent-status.controller.js';
import { LogMark } from './log-mark.js';
import { SnapshotRepository } from './snapshot.repository.js';
import { StatusLogRepository } from './status-log.repository.js';
import { StatusStreams } from './status-streams.js';

/** What agents do, now, in the past and as it happens: contract §3. */
@Module({
  imports: [AgentsModule, StreamsModule],
  controllers: [AgentStatusController],
  providers: [StatusLogRepository, LogMark, SnapshotRepository, StatusStreams],
  exports: [StatusLogRepository],
})
export class AgentStatusModule {}

export { loggedChangeSchema, loggedChangeViewOf } from './agent-status.schema.js';
export { StatusLogRepository } from './status-log.repository.js';
