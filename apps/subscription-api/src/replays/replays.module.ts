import { Module } from '@nestjs/common';
import { AgentEventsModule } from '../agent-events/agent-events.module.js';
import { DeliveriesModule } from '../deliveries/deliveries.module.js';
import { ReplayController } from './replay.controller.js';
import { ReplayRepository } from './replay.repository.js';
import { Replays } from './replays.js';

/** Sending the deliveries of a span of time again: contract §3. */
@Module({
  imports: [AgentEventsModule, DeliveriesModule],
  controllers: [ReplayController],
  providers: [ReplayRepository, Replays],
})
export class ReplaysModule {}
