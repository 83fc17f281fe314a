import { Inject, Injectable } from '@nestjs/common';
import { ApiError } from '#http';
import type { ServiceSettings } from '#runtime';
import type { AgentEvent } from '../agent-events/agent-events.module.js';
import { SETTINGS } from '../core.module.js';
import { DeliveryFactsRepository } from '../deliveries/deliveries.module.js';
import { rangeOf, type Paging } from '../http/paging.js';
import { notFound } from '../http/path-params.js';
import { ReplayRepository, type ReplayRow } from './replay.repository.js';
import type { ReplayCountView, ReplaySpan, ReplayView } from './replay.schema.js';

/** Sends the finished deliveries of a span of time again, as jobs: contract §3. */
@Injectable()
export class Replays {
  constructor(
    private readonly repository: ReplayRepository,
    private readonly facts: DeliveryFactsRepository,
    @Inject(SETTINGS) private readonly settings: Pick<ServiceSettings, 'DELIVERY_WINDOW'>,
  ) {}

  async count(event: AgentEvent, span: ReplaySpan): Promise<ReplayCountView> {
    await this.assertKept(span);
    const { count, first, last } = await this.repository.count(event.id, span);
    return { count, first: first?.toISOString() ?? null, last: last?.toISOString() ?? null };
  }

  async start(event: AgentEvent, span: ReplaySpan): Promise<ReplayView> {
    await this.assertKept(span);
    return replayViewOf(await this.repository.start(event.id, span, this.settings.DELIVERY_WINDOW));
  }

  async list(event: AgentEvent, paging: Paging): Promise<ReplayView[]> {
    const { skip, take } = rangeOf(paging);
    return (await this.repository.list(event.id, skip, take)).map(replayViewOf);
  }

  async find(event: AgentEvent, id: number): Promise<ReplayView> {
    const found = await this.repository.find(event.id, id);
    if (!found) throw notFound('not_found');
    return replayViewOf(found);
  }

  /** Cancels what is not sent yet; a finished replay is left as it is. */
  async cancel(event: AgentEvent, id: number): Promise<void> {
    await this.find(event, id);
    await this.repository.cancel(id);
  }

  /** Refuses a span that begins before attempts are kept: without them nobody knows what failed. */
  private async assertKept({ since, only }: ReplaySpan): Promise<void> {
    if (only === 'all') return;
    const kept = await this.facts.attemptsSince();
    if (kept && since < kept)
      throw ApiError.invalid(
        'since',
        `must not be before ${kept.toISOString()}, from which on attempts are kept; "only": "all" may`,
      );
  }
}

function replayViewOf({ id, status, total, delivered, failed, created_at }: ReplayRow): ReplayView {
  const queued = status === 'running' ? Math.max(0, total - delivered - failed) : 0;
  return { id, status, total, queued, delivered, failed, created_at: created_at.toISOString() };
}
