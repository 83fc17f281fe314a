import type { Logger } from '#runtime';
import { beginAttempt, traceIdOf } from '#tracing';
import {
  buildRequest,
  deliveryId,
  targetOf,
  type Notification,
  type WebhookSigningKey,
  type Target,
  type WebhookClient,
  type WebhookRequest,
} from '#webhook';
import type { DispatcherMetrics } from '../metrics.js';
import type { OriginStates } from '../series/origin-states.js';
import { attemptEnd } from './attempt-end.js';
import type { BatchedCache, Read } from './batched-cache.js';
import type { DueDelivery, Endpoint, SendOutcome, UnsentReason } from './delivery.js';
import { isAlive } from './origin-health.js';
import { ClientLoad, Origin, OriginShare, RoundRobin, type QueuedDelivery } from './origin.js';
import { OwnTime } from './own-time.js';

/** How much may be under way at once. */
export interface Budgets {
  /** Deliveries in memory: waiting for a slot, in flight or for their result to be written. */
  readonly inMemory: number;
  /** First attempts in flight. */
  readonly firstAttempts: number;
  /** Retries in flight: a budget of their own, so that a wall of dead endpoints never holds up a first attempt. */
  readonly retries: number;
  /** Requests in flight to one origin. */
  readonly perOrigin: number;
  /** Those of one client: the rest is left to the others. */
  readonly perClientAtOrigin: number;
}

/** Bounds of memory and sockets (ADR 14). What finds no room is left in the topic, or falls behind. */
export const DEFAULT_BUDGETS: Budgets = {
  inMemory: 12_000,
  firstAttempts: 1536,
  retries: 512,
  perOrigin: 192,
  perClientAtOrigin: 128,
};

export interface AttemptsOptions {
  readonly client: WebhookClient;
  readonly endpoints: BatchedCache<Endpoint | undefined>;
  readonly keys: BatchedCache<readonly WebhookSigningKey[]>;
  readonly budgets: Budgets;
  readonly metrics: Pick<DispatcherMetrics, 'inFlight' | 'openBreakers'>;
  /** Makes the requests; {@link buildRequest} by default. */
  readonly build?: (notification: Notification, target: Target) => WebhookRequest;
  /** Begins the span of an attempt; {@link beginAttempt} by default. */
  readonly begin?: typeof beginAttempt;
  /** Told how origins do. */
  readonly origins?: OriginStates;
  readonly logger: Logger;
}

/**
 * How old what was read of an agent event, or of a client's signing keys, may be when a request is written, in milliseconds:
 * contract §3 says that a PUT, a DELETE and a rotation hold from 500 ms after the answer.
 */
const VIEW_BOUND_MS = 500;
/** Older than this it is read again before, so that there is time to write. */
export const VIEW_TTL_MS = 300;

/** Until a delivery to a url that cannot be read is looked at again, in milliseconds. */
const UNREADABLE_URL_MS = 60_000;
const TICK_MS = 100;
/** What has waited, or been out, for longer than this at an origin that is slow holds up nothing any more, in milliseconds. */
const SLOW_MS = 200;
/** Nor does what has waited for so long where nothing is out, since its client has all the slots that it may have, in milliseconds. */
const STARVED_MS = 1000;
/** A share of an origin that nothing was sent to for this long, and that is not paused, is forgotten, in milliseconds. */
const IDLE_SHARE_MS = 60_000;
const SWEEP_MS = 10_000;
/** Part of a budget, and of the deliveries in memory, that one client may have: one in so many. */
const CLIENT_PART = 4;

/**
 * Attempts deliveries: contract §6 and §7.5. Whoever calls is told the outcome and does the rest. What waits is held in memory by
 * origin and client, within budgets; what finds no slot soon comes back unsent, so that an origin that is slow or dead holds
 * neither memory nor slots for long. No client can take more than its part of a budget, whatever its endpoints do.
 */
export class Attempts {
  private readonly origins = new Map<string, Origin>();
  private readonly clients = new Map<number, ClientLoad>();
  /** Shares with something waiting or in flight. */
  private readonly active = new Set<OriginShare>();
  /** Clients with something to send that a budget of all keeps from it. */
  private readonly starved = new RoundRobin<ClientLoad>();
  private firstAttempts = 0;
  private retries = 0;
  private waitingForSlots = 0;
  private stopping = false;
  private sweptAt = 0;
  private readonly ownTime = new OwnTime(TICK_MS);
  /** Attempts that have ended since the last tick. */
  private ended = 0;
  private readonly timer: NodeJS.Timeout;
  private whenIdle: (() => void) | undefined;

  constructor(private readonly options: AttemptsOptions) {
    // After what has come in: where the process itself stood still, answers wait to be read.
    this.timer = setInterval(() => setImmediate(() => this.tick()), TICK_MS);
  }

  /** Returns how many deliveries wait for a slot. */
  get waiting(): number {
    return this.waitingForSlots;
  }

  /** Returns how many deliveries this process sends in a time of work, in milliseconds; `Infinity` as long as it has enough time left. */
  sentWithin(ms: number): number {
    return this.ownTime.sentWithin(ms);
  }

  get inFlight(): number {
    return this.firstAttempts + this.retries;
  }

  /** Makes one attempt as soon as there is room for it. Never rejects: what goes wrong is an outcome. */
  attempt(delivery: DueDelivery): Promise<SendOutcome> {
    if (this.stopping) return Promise.resolve(unsent('stopping'));
    const { url } = delivery.endpoint.value;
    // None is registered that cannot be read; somebody may have put one into the database by hand.
    if (!URL.canParse(url)) return Promise.resolve(unsent('not_prepared', UNREADABLE_URL_MS));
    const target = targetOf(url);
    const share = this.shareOf(target.origin, delivery.clientId);
    const now = performance.now();
    share.usedAt = now;
    const refusal = this.refusalBy(share, now);
    if (refusal) return Promise.resolve(refusal);
    return new Promise((settle) => {
      share.push({ delivery, target, since: this.ownTime.clock(now), settle });
      share.client.waiting += 1;
      this.waitingForSlots += 1;
      this.active.add(share);
      this.pump(share);
    });
  }

  /** Starts nothing more, and waits for what is in flight; what waits comes back unsent. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearInterval(this.timer);
    for (const share of this.active) this.evict(share, 'stopping', Infinity, 0);
    if (this.inFlight > 0) await new Promise<void>((resolve) => (this.whenIdle = resolve));
  }

  private shareOf(originName: string, clientId: number): OriginShare {
    let origin = this.origins.get(originName);
    if (!origin) this.origins.set(originName, (origin = new Origin(originName)));
    let share = origin.shares.get(clientId);
    if (!share) {
      let client = this.clients.get(clientId);
      if (!client) this.clients.set(clientId, (client = new ClientLoad()));
      const { perOrigin, perClientAtOrigin } = this.options.budgets;
      share = new OriginShare(origin, client, Math.min(perOrigin, perClientAtOrigin));
      origin.shares.set(clientId, share);
      client.shares += 1;
    }
    return share;
  }

  private refusalBy({ health, waiting, client }: OriginShare, now: number): SendOutcome | undefined {
    if (health.isOpen && (!health.admits(0, now) || waiting > 0)) {
      return unsent('breaker', Math.max(health.pauseMs(now), 200) + Math.random() * 1000);
    }
    const full = waiting >= health.backlogLimit || client.waiting >= this.options.budgets.inMemory / CLIENT_PART;
    return full ? unsent('full', 200 + Math.random() * 1000) : undefined;
  }

  /** Sends as much as the origin admits and the budgets allow. */
  private pump(share: OriginShare): void {
    const { budgets } = this.options;
    const { origin, client, health } = share;
    while (!this.stopping && share.waiting > 0 && health.admits(share.inFlight.size, performance.now())) {
      if (origin.inFlight >= budgets.perOrigin) return origin.starved.add(share);
      const next = share.take(
        hasRoom(budgets.firstAttempts, this.firstAttempts, client.firstAttempts),
        hasRoom(budgets.retries, this.retries, client.retries),
      );
      if (!next) {
        client.starved.add(share);
        return this.starved.add(client);
      }
      this.noLongerWaiting(share, 1);
      void this.run(share, next);
    }
  }

  private async run(share: OriginShare, waiting: QueuedDelivery): Promise<void> {
    const { isRetry } = waiting.delivery;
    const begunAt = performance.now();
    const slot = { startedAt: this.ownTime.clock(begunAt), onSlow: waiting.delivery.onSlow };
    this.count(share, isRetry, 1);
    share.inFlight.add(slot);
    share.health.started();
    this.options.origins?.started(share, waiting.delivery.clientId, share.origin.name);
    const outcome = await this.send(waiting);
    if (outcome.kind === 'unsent') share.health.cancelled();
    else {
      const now = performance.now();
      const clock = this.ownTime.clock(now);
      if (isAlive(outcome.result)) share.answeredAt = clock;
      const ownMs = this.ownTime.paceMs + (now - begunAt - (clock - slot.startedAt));
      share.health.ended(isAlive(outcome.result), Math.max(0, outcome.result.latencyMs - ownMs), now);
      this.options.origins?.ended(share, waiting.delivery.clientId, share.origin.name, outcome.result);
      if (this.options.logger.isLevelEnabled('debug')) this.tell(waiting.delivery, share.origin.name, outcome);
    }
    this.count(share, isRetry, -1);
    this.ended += 1;
    share.inFlight.delete(slot);
    waiting.settle(outcome);
    this.refill(share);
  }

  private tell(
    { changeId, agentEventId, clientId, isRetry, change }: DueDelivery,
    origin: string,
    { attempt, result }: SendOutcome & { readonly kind: 'attempted' },
  ): void {
    const came = 'status' in result ? { http_status: result.status } : { error: result.error };
    const traceId = traceIdOf({ id: changeId, traceparent: change.traceparent });
    const of = {
      delivery_id: deliveryId(changeId, agentEventId),
      trace_id: traceId,
      client_id: clientId,
      agent_event_id: agentEventId,
    };
    this.options.logger.debug(
      { ...of, origin, attempt, is_retry: isRetry, ...came, latency_ms: result.latencyMs },
      'delivery.attempted',
    );
  }

  private count({ origin, client }: OriginShare, isRetry: boolean, by: 1 | -1): void {
    origin.inFlight += by;
    if (isRetry) {
      this.retries += by;
      client.retries += by;
    } else {
      this.firstAttempts += by;
      client.firstAttempts += by;
    }
  }

  /** A slot is free: for the same share, and for whoever waits in turn at its origin, of its client, of all clients. */
  private refill(share: OriginShare): void {
    if (this.stopping) {
      if (this.inFlight === 0) this.whenIdle?.();
      return;
    }
    const { origin, client } = share;
    const byOrigin = origin.starved.next();
    if (byOrigin) this.pump(byOrigin);
    const ofAll = this.starved.next();
    if (ofAll) this.pumpClient(ofAll);
    this.pumpClient(client);
    if (share.health.isOpen) this.evict(share, 'breaker', Infinity, 0);
    else this.pump(share);
  }

  private pumpClient(client: ClientLoad): void {
    const share = client.starved.next();
    if (!share) return;
    if (client.starved.size > 0) this.starved.add(client);
    this.pump(share);
  }

  /** Sends what may still be sent when its turn has come; what was read has to hold at the moment when the request is written. */
  private async send({ delivery, target }: QueuedDelivery): Promise<SendOutcome> {
    const { client, keys, build = buildRequest, begin = beginAttempt, logger } = this.options;
    const { agentEventId, clientId, changeId, sequence, change, startBy } = delivery;
    const startedAt = performance.now();
    try {
      for (;;) {
        const endpoint = await this.freshEndpoint(delivery);
        const signingKeys = keys.peek(clientId) ?? (await keys.get(clientId));
        if (!endpoint.value) return unsent('deleted');
        if (endpoint.value.suspended) return unsent('suspended');
        const { url, method } = endpoint.value;
        if (url !== delivery.endpoint.value.url) return unsent('moved');
        if (signingKeys.value.length === 0) throw new Error(`client ${clientId} has no signing secret that can be read`);
        if (performance.now() >= startBy) return unsent('too_late');
        const at = Date.now();
        const attempt = delivery.attemptsBefore + 1;
        const id = deliveryId(changeId, agentEventId);
        const { pairs, occurredAt } = change;
        const keysNow = signingKeys.value;
        const hop = begin({ id: changeId, traceparent: change.traceparent });
        const { traceparent } = hop;
        const request = build({ method, url, pairs, id, attempt, sequence, occurredAt, at, keys: keysNow, traceparent }, target);
        const sendBy = Math.min(startBy, endpoint.readAt + VIEW_BOUND_MS, signingKeys.readAt + VIEW_BOUND_MS);
        const result = await client.send(request, { clientId, startedAt, sendBy });
        if (!result) continue; // the connection came up when what was read was too old; it is there for the next try
        hop.end(() => attemptEnd(delivery, attempt, request, result));
        return { kind: 'attempted', attempt, attemptedAt: new Date(at), result };
      }
    } catch (error) {
      logger.warn({ err: error, agent_event_id: agentEventId }, 'delivery.not_prepared');
      return unsent('not_prepared', 500 + Math.random() * 1000);
    }
  }

  private async freshEndpoint({ endpoint, agentEventId }: DueDelivery): Promise<Read<Endpoint | undefined>> {
    if (performance.now() - endpoint.readAt < VIEW_TTL_MS) return endpoint;
    const { endpoints } = this.options;
    return endpoints.peek(agentEventId) ?? (await endpoints.get(agentEventId));
  }

  private evict(share: OriginShare, reason: UnsentReason, before: number, limit: number): void {
    const stale = share.takeStale(before, limit);
    this.noLongerWaiting(share, stale.length);
    const pause = share.health.pauseMs(performance.now());
    for (const { settle } of stale) settle(unsent(reason, pause + 200 + Math.random() * 1000));
  }

  private noLongerWaiting({ client }: OriginShare, count: number): void {
    client.waiting -= count;
    this.waitingForSlots -= count;
  }

  private tick(): void {
    if (this.stopping) return;
    const now = performance.now();
    this.ownTime.tick(now, this.ended, this.waitingForSlots > 0, (moment) => this.outSince(moment));
    this.ended = 0;
    const { paceMs } = this.ownTime;
    const clock = this.ownTime.clock(now);
    const slowMs = SLOW_MS + paceMs;
    for (const share of this.active) {
      const [oldest] = share.inFlight;
      if (oldest) share.health.stillWaiting(clock - oldest.startedAt - paceMs);
      const slow = share.isSlow(clock, SLOW_MS, paceMs);
      const longestMs = slow ? slowMs : share.inFlight.size === 0 ? STARVED_MS : Infinity;
      if (share.waiting > 0) this.evict(share, 'slow', clock - longestMs, share.health.backlogLimit);
      if (slow) share.tellSlow(clock - slowMs);
      this.pump(share);
      if (share.isIdle) this.active.delete(share);
    }
    this.options.metrics.inFlight.set(this.inFlight);
    if (now - this.sweptAt > SWEEP_MS) this.sweep(now);
  }

  /** Counts the requests that are out and began at a moment of {@link OwnTime.clock}, or later. */
  private outSince(moment: number): number {
    let count = 0;
    for (const { inFlight } of this.active) for (const { startedAt } of inFlight) if (startedAt >= moment) count += 1;
    return count;
  }

  /** Forgets who has not been sent to for a while, and tells how many are paused. */
  private sweep(now: number): void {
    this.sweptAt = now;
    let open = 0;
    for (const origin of this.origins.values()) {
      for (const [clientId, share] of origin.shares) {
        if (share.health.isOpen) open += 1;
        if (!share.isIdle || now - share.usedAt - share.health.pauseMs(now) < IDLE_SHARE_MS) continue;
        origin.shares.delete(clientId);
        share.client.shares -= 1;
        if (share.client.shares === 0) this.clients.delete(clientId);
      }
      if (origin.shares.size === 0) this.origins.delete(origin.name);
    }
    this.options.metrics.openBreakers.set(open);
  }
}

/** Whether one more may start: within the budget of all, of which one client may have its part. */
function hasRoom(budget: number, ofAll: number, ofClient: number): boolean {
  return ofAll < budget && ofClient < Math.ceil(budget / CLIENT_PART);
}

function unsent(reason: UnsentReason, delayMs = 0): SendOutcome {
  return { kind: 'unsent', reason, delayMs };
}
