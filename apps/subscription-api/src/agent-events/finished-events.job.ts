import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { PeriodicWork, type Logger } from '#runtime';
import { LOGGER } from '../core.module.js';
import { AgentEventRepository } from './agent-event.repository.js';

const INTERVAL_MS = 60_000;

/** Deletes the agent events of removed agents when their last notifications are done (contract §3), and in the end forgets which there were. */
@Injectable()
export class FinishedEventsJob implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly work: PeriodicWork;

  constructor(
    private readonly agentEvents: AgentEventRepository,
    @Inject(LOGGER) logger: Logger,
  ) {
    // The next run takes what this one left.
    this.work = new PeriodicWork((error) => logger.warn({ err: error }, 'agent_event.cleanup_failed'));
  }

  onApplicationBootstrap(): void {
    this.work.every(INTERVAL_MS, () => this.agentEvents.deleteFinished());
    this.work.every(INTERVAL_MS, () => this.agentEvents.forgetRemoved());
  }

  onModuleDestroy(): Promise<void> {
    return this.work.stop();
  }
}
