import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { Logger } from '#runtime';
import { LOGGER } from '../tokens.js';
import { AgentEventRepository } from './agent-event.repository.js';

const INTERVAL_MS = 60_000;

/** Deletes the agent events of removed agents when their last notifications are done: contract §3. */
@Injectable()
export class FinishedEventsJob implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly agentEvents: AgentEventRepository,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void (this.running = this.run()), INTERVAL_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  private async run(): Promise<void> {
    try {
      await this.agentEvents.deleteFinished();
    } catch (error) {
      this.logger.warn({ err: error }, 'agent_event.cleanup_failed'); // the next run takes what this one left
    }
  }
}
