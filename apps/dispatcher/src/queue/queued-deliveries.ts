import type { Logger } from '#runtime';
import { deliveryId } from '#webhook';
import type { Attempts, Budgets } from '../attempt/attempts.js';
import type { Delivery, Outcome, UnsentReason } from '../attempt/delivery.js';
import { decide } from '../attempt/retry-policy.js';
import type { DispatcherMetrics } from '../metrics.js';
import type { Series } from '../series/series.js';
import type { DeliveryJob } from './job.js';
import type { ResultWriter } from './result-writer.js';

/** What a lease must have left beyond the timeout, to write the result in, in milliseconds. */
const LEASE_MARGIN_MS = 1000;

export interface QueuedDeliveriesOptions {
  readonly attempts: Attempts;
  readonly results: ResultWriter;
  /** Delays of the retry schedule, in milliseconds. */
  readonly schedule: readonly number[];
  /** Longest that an attempt may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly budgets: Budgets;
  readonly metrics: DispatcherMetrics;
  readonly series?: Series;
  readonly logger: Logger;
}

/** Takes leased rows of the queue, has each attempted, and says what is to be written of it: contract §7.4. */
export class QueuedDeliveries {
  private stopping = false;

  constructor(private readonly options: QueuedDeliveriesOptions) {}

  /** How many deliveries may be leased in all. */
  get capacity(): number {
    return this.options.budgets.held;
  }

  /** How many more deliveries may be leased. */
  get room(): number {
    if (this.stopping) return 0;
    return Math.max(0, this.capacity - this.held);
  }

  /** Deliveries that wait for a slot. */
  get waiting(): number {
    return this.options.attempts.waiting;
  }

  private get held(): number {
    const { attempts, results } = this.options;
    return attempts.waiting + attempts.inFlight + results.backlog;
  }

  /** Takes leased rows over: to be attempted, or ended or given back at once. */
  accept(jobs: readonly DeliveryJob[]): void {
    for (const job of jobs) void this.take(job);
    this.options.metrics.held.set(this.held);
  }

  /** Starts nothing more, and waits for what is in flight; what waits in memory is for `releaseAll`. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.options.attempts.stop();
  }

  private async take(job: DeliveryJob): Promise<void> {
    const { attempts, timeoutMs } = this.options;
    const { change, endpoint } = job;
    if (this.stopping) return;
    if (!endpoint) return this.end(job, 'dropped', 'the agent event was deleted');
    if (!change) return this.end(job, 'dropped', 'the status change is older than the log');
    if (performance.now() >= job.expiresAt) {
      return this.end(job, 'failed', endpoint.suspended ? 'suspended until the retry window ended' : 'the retry window ended');
    }
    if (endpoint.suspended) return this.giveBack(job, 'suspended', 0); // the claim parks it
    const delivery: Delivery = {
      changeId: job.changeId,
      clientId: job.clientId,
      agentEventId: job.agentEventId,
      sequence: job.sequence,
      change,
      attemptsBefore: job.attemptsBefore + job.attempts,
      isRetry: job.attempts > 0,
      endpoint: { value: endpoint, readAt: job.readAt },
      startBy: Math.min(job.expiresAt, job.leasedUntil - timeoutMs - LEASE_MARGIN_MS),
    };
    const outcome = await attempts.attempt(delivery);
    if (outcome.kind === 'attempted') return this.conclude(job, outcome);
    if (outcome.reason === 'stopping') return;
    if (outcome.reason === 'deleted') return this.end(job, 'dropped', 'the agent event was deleted');
    // What was suspended or moved is due at once: the claim parks it, or sees that it is in another url's lane.
    this.giveBack(job, outcome.reason, outcome.delayMs);
  }

  private giveBack(job: DeliveryJob, reason: UnsentReason, delayMs: number): void {
    this.options.metrics.givenBack.inc({ reason });
    this.options.results.giveBack(job, delayMs);
  }

  private conclude(job: DeliveryJob, { attempt, attemptedAt, result }: Outcome & { readonly kind: 'attempted' }): void {
    const { results, schedule, metrics, logger } = this.options;
    const verdict = decide(schedule, {
      result,
      attempts: job.attempts + 1,
      leftMs: job.expiresAt - performance.now(),
      now: Date.now(),
      random: Math.random(),
    });
    const record = {
      ...keyOf(job),
      attempt,
      attemptedAt,
      latencyMs: result.latencyMs,
      ...('status' in result
        ? { httpStatus: result.status, error: null, response: result.body }
        : { httpStatus: null, error: result.error, response: null }),
    };
    if (verdict.kind === 'delivered' || verdict.kind === 'failed') results.finish({ ...record, outcome: verdict.kind });
    else results.postpone({ ...record, delayMs: verdict.kind === 'retry' ? verdict.delayMs : undefined });
    metrics.latency.observe(result.latencyMs / 1000);
    const outcome = verdict.kind === 'gone' ? 'retry' : verdict.kind;
    metrics.attempts.inc({ outcome });
    this.options.series?.deliveries.note({ ...job, outcome, latencyMs: result.latencyMs });
    if (logger.isLevelEnabled('debug')) {
      const { latencyMs: latency_ms, httpStatus: http_status, error } = record;
      const delivery_id = deliveryId(job.changeId, job.agentEventId);
      logger.debug({ delivery_id, attempt, latency_ms, http_status, error, verdict }, 'delivery.attempted');
    }
  }

  private end(job: DeliveryJob, outcome: 'failed' | 'dropped', error: string): void {
    const attempt = job.attemptsBefore + job.attempts + 1;
    const record = { ...keyOf(job), attempt, attemptedAt: new Date(), latencyMs: 0, httpStatus: null, response: null };
    this.options.results.finish({ ...record, error, outcome });
    this.options.metrics.attempts.inc({ outcome });
    this.options.series?.deliveries.note({ ...job, outcome, latencyMs: undefined });
  }
}

function keyOf({ lane, sequence, agentEventId, changeId }: DeliveryJob) {
  return { lane, sequence, agentEventId, changeId };
}
