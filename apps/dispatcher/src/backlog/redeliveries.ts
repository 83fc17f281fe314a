import type { AgentKey } from '#contracts';
import type { Pool } from '#database';
import { Loop, type Logger } from '#runtime';
import { afterFanOut } from '#tracing';
import { encodePairs } from '#webhook';
import type { Attempts } from '../attempt/attempts.js';
import type { SendOutcome } from '../attempt/delivery.js';
import { decideRetry, SUSPEND_AFTER_MS } from '../attempt/retry-policy.js';
import { attemptRecord, unsentRecord, unstorable } from '../lanes/attempt-records.js';
import { ClientCount } from '../lanes/client-count.js';
import type { DispatcherMetrics } from '../metrics.js';
import { BatchWriter } from '../record/batch-writer.js';
import {
  fillHashes,
  findDue,
  forgetRedeliveries,
  recordRedeliveries,
  type Redelivery,
  type RedeliveryResult,
} from './redelivery.repository.js';

/** Tells which agents this instance works for, by the leases of their shards. */
export interface OwnedShards<T extends ShardEpoch = ShardEpoch> {
  /** UUID of this instance. */
  readonly owner: string;
  /** How many shards there are; 0: not known yet. */
  readonly base: number;
  /** Leases that this instance has. */
  readonly held: readonly T[];
  /** Finds the lease of an agent's shard by the agent's hash; undefined: another instance works for it. */
  leaseOf(hash: number): T | undefined;
  /** Moment after which no attempt may start any more, in milliseconds of `performance.now()`. */
  startBy(lease: T): number;
}

/** A shard, with the fencing token of its lease. */
export interface ShardEpoch {
  readonly shard: number;
  /** Raised whenever the lease goes to another owner. */
  readonly epoch: number;
}

export interface RedeliveriesOptions<T extends ShardEpoch = ShardEpoch> {
  readonly pool: Pool;
  readonly shards: OwnedShards<T>;
  readonly attempts: Pick<Attempts, 'attempt'>;
  readonly hashOf: (agent: AgentKey) => number;
  /** Delays of the retry schedule, in milliseconds. */
  readonly schedule: readonly number[];
  /** Told of attempts, and of deliveries that ended without one, once they are written. */
  readonly onRecorded?: ((of: Redelivery, result: RedeliveryResult) => void) | undefined;
  readonly metrics: DispatcherMetrics;
  readonly logger: Logger;
}

/** Under way at once; few, so that a replay never takes the slots of its client's new changes, let alone another's. */
const MAX_OUT = 256;
const MAX_OUT_OF_CLIENT = 16;
/** Agent events that have their turn at once. */
const EVENTS = 100;
const PAGE = 500;
/** How often what is due is looked for while nothing happens, in milliseconds. */
const POLL_MS = 300;
const BACKOFF = { firstMs: 100, maxMs: 1000 };
/** Until an agent event is asked for again whose delivery was not sent, in milliseconds, at least. */
const MIN_PAUSE_MS = 200;
/** How often a suspended agent event is looked at, in milliseconds. */
const SUSPENDED_LOOK_MS = 1000;
const BATCH = { name: 'redeliveries', maxSize: 200, concurrency: 1, lingerMs: 2 };
const DRAIN_MS = 5000;

/**
 * Sends finished deliveries again, those that were asked for by themselves and those of replays: contract §3. One after another for
 * an agent event and an agent, by sequence, and only for agents whose shard this instance has. They share no lane with new changes,
 * so none of those waits for them; of the budgets they take what retries may have.
 */
export class Redeliveries<T extends ShardEpoch = ShardEpoch> {
  private readonly out = new Map<string, { readonly redelivery: Redelivery; readonly lease: T }>();
  /** Called when nothing of a shard is out any more. */
  private readonly settled = new Map<T, () => void>();
  private readonly outOf = new ClientCount();
  /** By agent event: nothing of it is sent until then, in milliseconds of `performance.now()`. */
  private readonly paused = new Map<number, number>();
  private readonly results: BatchWriter<RedeliveryResult>;
  private after = 0;
  private readonly loop: Loop;

  constructor(private readonly options: RedeliveriesOptions<T>) {
    this.loop = new Loop({
      step: () => this.turn().then(() => POLL_MS),
      onError: (error) => options.logger.warn({ err: error }, 'redeliveries.turn_failed'),
      backoff: BACKOFF,
    });
    this.results = new BatchWriter<RedeliveryResult>({
      ...BATCH,
      logger: options.logger,
      write: (results) => this.record(results),
      onRefused: (result) => this.endUnstorable(result),
    });
  }

  start(): void {
    this.loop.start();
  }

  /** Notes that something may be due. */
  wake(): void {
    this.loop.wake();
  }

  /** Starts nothing more. What is out is recorded by {@link drain}, when the attempts have ended. */
  async stop(): Promise<void> {
    await this.loop.stop();
  }

  /** Waits until what was out is recorded. */
  async drain(): Promise<void> {
    await this.results.drain(DRAIN_MS);
  }

  /** Waits until nothing of a shard is out and all of it is recorded; its lease ends, so that nothing more is started. */
  async ended(lease: T): Promise<void> {
    if (!this.hasOut(lease)) return;
    await new Promise<void>((resolve) => this.settled.set(lease, resolve));
    this.settled.delete(lease);
  }

  private hasOut(lease: T): boolean {
    return [...this.out.values()].some((one) => one.lease === lease);
  }

  private async turn(): Promise<void> {
    const { pool, shards, hashOf } = this.options;
    const { base, held } = shards;
    if (base === 0 || held.length === 0 || this.out.size >= MAX_OUT) return;
    while ((await fillHashes(pool, hashOf, PAGE)) === PAGE);
    const now = performance.now();
    for (const [id, until] of this.paused) if (until <= now) this.paused.delete(id);
    const { redeliveries, deleted, suspended, last } = await findDue(pool, {
      shards: held.map(({ shard }) => shard),
      base,
      after: this.after,
      agentEvents: EVENTS,
      paused: [...this.paused.keys()],
      out: [...this.out.values()].map(({ redelivery }) => redelivery),
      perEvent: MAX_OUT_OF_CLIENT,
    });
    for (const id of suspended) this.paused.set(id, now + SUSPENDED_LOOK_MS);
    this.after = last ?? 0;
    if (last !== undefined) this.loop.wake();
    for (const agentEventId of deleted) {
      if ((await forgetRedeliveries(pool, agentEventId, PAGE)) === PAGE) this.loop.wake();
    }
    for (const redelivery of redeliveries) this.take(redelivery);
  }

  private take(redelivery: Redelivery): void {
    const { clientId, hash } = redelivery;
    const lease = this.options.shards.leaseOf(hash);
    if (!lease || this.loop.signal.aborted || this.out.size >= MAX_OUT || this.outOf.of(clientId) >= MAX_OUT_OF_CLIENT) return;
    this.out.set(laneOf(redelivery), { redelivery, lease });
    this.outOf.add(clientId, 1);
    void this.send(redelivery, lease);
  }

  private async send(redelivery: Redelivery, lease: T): Promise<void> {
    const { attempts, shards } = this.options;
    const { change, expiresAt, suspended } = redelivery;
    if (!change) return this.end(redelivery, lease, 'dropped', 'the status change is older than the log');
    if (performance.now() >= expiresAt) {
      return this.end(
        redelivery,
        lease,
        'failed',
        suspended ? 'suspended until the retry window ended' : 'the retry window ended',
      );
    }
    const { url, method } = redelivery;
    const outcome = await attempts.attempt({
      changeId: redelivery.changeId,
      clientId: redelivery.clientId,
      agentEventId: redelivery.agentEventId,
      sequence: change.sequence,
      change: { pairs: encodePairs(change), occurredAt: change.occurredAt, traceparent: afterFanOut(change) },
      attemptsBefore: redelivery.attemptsBefore + redelivery.attempts,
      isRetry: true,
      endpoint: { value: { url, method, suspended }, readAt: redelivery.readAt },
      // Asked anew each time: the lease is renewed meanwhile, or has gone.
      get startBy() {
        return Math.min(expiresAt, shards.startBy(lease));
      },
    });
    if (outcome.kind === 'attempted') return this.conclude(redelivery, lease, outcome);
    this.paused.set(redelivery.agentEventId, performance.now() + Math.max(MIN_PAUSE_MS, outcome.delayMs));
    this.release(redelivery);
  }

  private conclude(redelivery: Redelivery, lease: T, outcome: SendOutcome & { kind: 'attempted' }): void {
    const { schedule, metrics } = this.options;
    const { agentEventId, changeId, attempts, expiresAt, isReplay } = redelivery;
    const { result } = outcome;
    const verdict = decideRetry(schedule, {
      result,
      attempts: attempts + 1,
      leftMs: expiresAt - performance.now(),
      now: Date.now(),
      random: Math.random(),
    });
    this.results.add({
      ...attemptRecord(agentEventId, changeId, outcome, verdict),
      ...placeOf(redelivery, lease),
      trigger: attempts > 0 ? null : isReplay ? 'replay' : 'redeliver',
      outcome: verdict.kind,
      delayMs: verdict.kind === 'retry' ? verdict.delayMs : verdict.kind === 'gone' ? 0 : null,
    });
    metrics.countAttempt(verdict.kind, result);
  }

  private end(redelivery: Redelivery, lease: T, outcome: 'failed' | 'dropped', error: string): void {
    const { agentEventId, changeId, attemptsBefore, attempts } = redelivery;
    this.results.add({
      ...unsentRecord(agentEventId, changeId, attemptsBefore + attempts + 1, outcome, error),
      ...placeOf(redelivery, lease),
      trigger: null,
      delayMs: null,
    });
    this.options.metrics.countEnd(outcome);
  }

  private async record(results: readonly RedeliveryResult[]): Promise<void> {
    const { pool, shards, logger } = this.options;
    const written = await recordRedeliveries(pool, shards.owner, results, SUSPEND_AFTER_MS);
    if (written < results.length) logger.warn({ results: results.length - written }, 'redeliveries.results_thrown_away');
    for (const result of results) {
      const out = this.out.get(laneOf(result));
      if (out) this.options.onRecorded?.(out.redelivery, result);
      this.release(result);
    }
    this.wake();
  }

  /** A result that cannot be stored ends its delivery, visibly: otherwise it would be sent again for ever. */
  private async endUnstorable(result: RedeliveryResult): Promise<void> {
    await this.record([{ ...unstorable(result), delayMs: null }]);
    this.options.metrics.unstorable.inc();
  }

  private release(lane: { readonly agentEventId: number; readonly agentId: number }): void {
    const out = this.out.get(laneOf(lane));
    if (!out) return;
    const { redelivery, lease } = out;
    this.out.delete(laneOf(lane));
    this.outOf.add(redelivery.clientId, -1);
    if (!this.hasOut(lease)) this.settled.get(lease)?.();
  }
}

function laneOf({ agentEventId, agentId }: { readonly agentEventId: number; readonly agentId: number }): string {
  return `${agentEventId}:${agentId}`;
}

function placeOf({ agentEventId, agentId, changeId }: Redelivery, { shard, epoch }: ShardEpoch) {
  return { agentEventId, agentId, changeId, shard, epoch };
}
