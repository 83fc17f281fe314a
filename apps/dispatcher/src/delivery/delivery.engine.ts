import type { Logger } from '#runtime';
import { buildRequest, deliveryId, targetOf, type AttemptResult, type SigningKey, type WebhookClient } from '#webhook';
import type { BatchedCache } from '../batched-cache.js';
import type { DispatcherMetrics } from '../metrics.js';
import type { DeliveryJob, Endpoint } from '../queue/job.js';
import { isAlive } from './origin-health.js';
import { OriginQueue, type QueuedJob } from './origin-queue.js';
import { decide } from './retry-policy.js';
import type { ResultWriter } from './result-writer.js';

/** How much may be under way at once. */
export interface Budgets {
  /** Deliveries in memory: leased, and waiting for a slot, in flight or for their result to be written. */
  readonly held: number;
  /** First attempts in flight. */
  readonly firsts: number;
  /** Retries in flight: a budget of their own, so that a wall of dead endpoints never holds up a first attempt. */
  readonly retries: number;
  /** Requests in flight to one origin. */
  readonly perOrigin: number;
}

/** Held is enough for a change with ten thousand agent events: what finds no room has to be claimed, which costs as much again. */
export const DEFAULT_BUDGETS: Budgets = { held: 12_000, firsts: 1536, retries: 512, perOrigin: 128 };

export interface DeliveryEngineOptions {
  readonly client: WebhookClient;
  readonly endpoints: BatchedCache<Endpoint | undefined>;
  readonly keys: BatchedCache<readonly SigningKey[]>;
  readonly results: ResultWriter;
  /** Delays of the retry schedule, in milliseconds. */
  readonly schedule: readonly number[];
  /** Longest that an attempt may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly budgets: Budgets;
  readonly metrics: DispatcherMetrics;
  readonly logger: Logger;
}

const TICK_MS = 250;
/** A delivery waits this long for a slot at an origin that answers nobody; then others may have its place, in milliseconds. */
const MAX_WAIT_MS = 2000;
/** An origin that has answered this lately is working off what waits for it, in milliseconds. */
const ANSWERED_LATELY_MS = 1000;
/** An endpoint read longer ago than this is read again before it is sent to, in milliseconds. */
export const ENDPOINT_TTL_MS = 500;
/** What a lease must have left beyond the timeout, to write the result in, in milliseconds. */
const LEASE_MARGIN_MS = 1000;
const IDLE_ORIGIN_MS = 60_000;

/**
 * Attempts leased deliveries: contract §6 and §7. Holds them in memory by origin, within budgets; what finds no slot soon
 * goes back to the queue, so that an origin that is slow or dead holds neither memory nor leases for long.
 */
export class DeliveryEngine {
  private readonly origins = new Map<string, OriginQueue>();
  /** Origins with something to send that a global budget keeps from it, in turn. */
  private readonly starved = new Set<OriginQueue>();
  private firsts = 0;
  private retries = 0;
  private waitingForSlots = 0;
  private stopping = false;
  private readonly timer: NodeJS.Timeout;
  private whenIdle: (() => void) | undefined;

  constructor(private readonly options: DeliveryEngineOptions) {
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** How many deliveries may be leased in all. */
  get capacity(): number {
    return this.options.budgets.held;
  }

  /** How many more deliveries may be leased. */
  get room(): number {
    if (this.stopping) return 0;
    return Math.max(0, this.options.budgets.held - this.waiting - this.firsts - this.retries - this.options.results.backlog);
  }

  /** Deliveries that wait for a slot. */
  get waiting(): number {
    return this.waitingForSlots;
  }

  /** Takes leased deliveries over: to be sent, or ended or given back at once. */
  accept(jobs: readonly DeliveryJob[]): void {
    const touched = new Set<OriginQueue>();
    for (const job of jobs) {
      const origin = this.place(job);
      if (origin) touched.add(origin);
    }
    for (const origin of touched) this.pump(origin);
  }

  /** Starts nothing more, and waits for what is in flight; what waits in memory is for `releaseAll`. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearInterval(this.timer);
    if (this.firsts + this.retries > 0) await new Promise<void>((resolve) => (this.whenIdle = resolve));
  }

  private place(job: DeliveryJob): OriginQueue | undefined {
    if (this.stopping || this.endsUnsent(job, job.endpoint)) return undefined;
    const target = targetOf(job.endpoint!.url);
    let origin = this.origins.get(target.origin);
    if (!origin) this.origins.set(target.origin, (origin = new OriginQueue(this.options.budgets.perOrigin)));
    const now = performance.now();
    origin.usedAt = now;
    const { health } = origin;
    if (health.isOpen && (!health.admits(0, now) || origin.waiting > 0)) {
      this.giveBack(job, 'breaker', Math.max(health.pauseMs(now), 200) + Math.random() * 1000);
      return undefined;
    }
    if (origin.waiting >= health.backlogLimit) {
      this.giveBack(job, 'origin_full', 200 + Math.random() * 1000);
      return undefined;
    }
    origin.push({ job, target, since: now });
    this.waitingForSlots += 1;
    return origin;
  }

  /** Sends as much as the origin admits and the budgets allow. */
  private pump(origin: OriginQueue): void {
    const { budgets } = this.options;
    while (!this.stopping && origin.health.admits(origin.inFlight.size, performance.now())) {
      const next = origin.take(this.firsts < budgets.firsts, this.retries < budgets.retries);
      if (!next) {
        if (origin.waiting > 0) this.starved.add(origin);
        return;
      }
      this.waitingForSlots -= 1;
      void this.run(origin, next);
    }
  }

  private async run(origin: OriginQueue, queued: QueuedJob): Promise<void> {
    const isRetry = queued.job.attempts > 0;
    const slot = { startedAt: performance.now() };
    if (isRetry) this.retries += 1;
    else this.firsts += 1;
    origin.inFlight.add(slot);
    origin.health.started();
    try {
      const result = await this.attempt(queued);
      if (!result) origin.health.cancelled();
      else {
        const now = performance.now();
        if (isAlive(result)) origin.answeredAt = now;
        origin.health.ended(isAlive(result), result.latencyMs, now);
      }
    } catch (error) {
      origin.health.cancelled();
      this.options.logger.warn({ err: error, agent_event_id: queued.job.agentEventId }, 'delivery.not_prepared');
      this.giveBack(queued.job, 'not_prepared', 500 + Math.random() * 1000);
    } finally {
      if (isRetry) this.retries -= 1;
      else this.firsts -= 1;
      origin.inFlight.delete(slot);
      this.refill(origin);
    }
  }

  private refill(origin: OriginQueue): void {
    if (this.stopping) {
      if (this.firsts + this.retries === 0) this.whenIdle?.();
      return;
    }
    if (origin.health.isOpen) this.evict(origin, 'breaker', performance.now(), 0);
    else this.pump(origin);
    const [starved] = this.starved;
    if (!starved) return;
    this.starved.delete(starved); // to the end of the turn, if it is still held up
    this.pump(starved);
  }

  /** @returns undefined when nothing was sent */
  private async attempt({ job, target }: QueuedJob): Promise<AttemptResult | undefined> {
    const { client, keys, endpoints, timeoutMs } = this.options;
    const endpoint =
      performance.now() - job.readAt < ENDPOINT_TTL_MS
        ? job.endpoint
        : (endpoints.peek(job.agentEventId) ?? { value: await endpoints.get(job.agentEventId) }).value;
    const signingKeys = (keys.peek(job.clientId) ?? { value: await keys.get(job.clientId) }).value;
    if (this.endsUnsent(job, endpoint)) return undefined;
    const { url, method } = endpoint!;
    if (url !== job.endpoint!.url) return this.giveBack(job, 'moved', 0); // the claim sees that it is in another url's lane
    if (signingKeys.length === 0) throw new Error(`client ${job.clientId} has no signing secret that can be read`);
    if (job.leasedUntil - performance.now() < timeoutMs + LEASE_MARGIN_MS) return this.giveBack(job, 'lease', 0);

    const at = Date.now();
    const attempt = job.attemptsBefore + job.attempts + 1;
    const id = deliveryId(job.changeId, job.agentEventId);
    const { sequence } = job;
    const { pairs, occurredAt } = job.change!;
    const result = await client.send(
      buildRequest({ method, url, pairs, id, attempt, sequence, occurredAt, at, keys: signingKeys }, target),
    );
    this.conclude(job, attempt, at, result);
    return result;
  }

  private conclude(job: DeliveryJob, attempt: number, at: number, result: AttemptResult): void {
    const { results, schedule, metrics, logger } = this.options;
    const verdict = decide(schedule, {
      result,
      attempts: job.attempts + 1,
      expiresAt: job.expiresAt,
      now: Date.now(),
      random: Math.random(),
    });
    const record = {
      ...keyOf(job),
      attempt,
      attemptedAt: new Date(at),
      latencyMs: result.latencyMs,
      ...('status' in result
        ? { httpStatus: result.status, error: null, response: result.body }
        : { httpStatus: null, error: result.error, response: null }),
    };
    if (verdict.kind === 'delivered' || verdict.kind === 'failed') results.finish({ ...record, outcome: verdict.kind });
    else results.postpone({ ...record, delayMs: verdict.kind === 'retry' ? verdict.delayMs : undefined });
    metrics.latency.observe(result.latencyMs / 1000);
    metrics.attempts.inc({ outcome: verdict.kind === 'gone' ? 'retry' : verdict.kind });
    if (logger.isLevelEnabled('debug')) {
      const { latencyMs: latency_ms, httpStatus: http_status, error } = record;
      const delivery_id = deliveryId(job.changeId, job.agentEventId);
      logger.debug({ delivery_id, attempt, latency_ms, http_status, error, verdict }, 'delivery.attempted');
    }
  }

  /** Ends, or gives back, what must not be sent. */
  private endsUnsent(job: DeliveryJob, endpoint: Endpoint | undefined): boolean {
    if (!endpoint) this.end(job, 'dropped', 'the agent event was deleted');
    else if (!job.change) this.end(job, 'dropped', 'the status change is older than the log');
    else if (Date.now() >= job.expiresAt) {
      this.end(job, 'failed', endpoint.suspended ? 'suspended until the retry window ended' : 'the retry window ended');
    } else if (endpoint.suspended)
      this.giveBack(job, 'suspended', 0); // the claim parks it
    else return false;
    return true;
  }

  private end(job: DeliveryJob, outcome: 'failed' | 'dropped', error: string): void {
    const attempt = job.attemptsBefore + job.attempts + 1;
    const record = { ...keyOf(job), attempt, attemptedAt: new Date(), latencyMs: 0, httpStatus: null, response: null };
    this.options.results.finish({ ...record, error, outcome });
    this.options.metrics.attempts.inc({ outcome });
  }

  private giveBack(job: DeliveryJob, reason: string, delayMs: number): undefined {
    this.options.metrics.givenBack.inc({ reason });
    this.options.results.giveBack(job, delayMs);
  }

  private evict(origin: OriginQueue, reason: string, before: number, limit: number): void {
    const stale = origin.takeStale(before, limit);
    this.waitingForSlots -= stale.length;
    const pause = origin.health.pauseMs(performance.now());
    for (const { job } of stale) this.giveBack(job, reason, pause + 200 + Math.random() * 1000);
  }

  private tick(): void {
    const now = performance.now();
    let open = 0;
    for (const [name, origin] of this.origins) {
      const [oldest] = origin.inFlight;
      if (oldest) origin.health.stillWaiting(now - oldest.startedAt);
      if (origin.health.isOpen) open += 1;
      const stuck = now - origin.answeredAt > ANSWERED_LATELY_MS;
      if (origin.waiting > 0) this.evict(origin, 'slow', stuck ? now - MAX_WAIT_MS : 0, origin.health.backlogLimit);
      else if (!oldest && !origin.health.isOpen && now - origin.usedAt > IDLE_ORIGIN_MS) this.origins.delete(name);
      this.pump(origin);
    }
    const { metrics, budgets } = this.options;
    metrics.openBreakers.set(open);
    metrics.inFlight.set(this.firsts + this.retries);
    metrics.held.set(budgets.held - this.room);
  }
}

function keyOf({ lane, sequence, agentEventId, changeId }: DeliveryJob) {
  return { lane, sequence, agentEventId, changeId };
}
