import { Injectable } from '@nestjs/common';
import type { StatusChange } from '#contracts';
import { waitBackoff, type Logger } from '#runtime';
import type { DispatcherMetrics } from '../metrics.js';
import type { QueuedDeliveries } from '../queue/queued-deliveries.js';
import type { Lease, Pool } from '../queue/queue.repository.js';
import { readUnfanned } from './change-log.repository.js';
import { agentKey, fanOut, type FanOutResult } from './fan-out.repository.js';

export interface FanOutOptions {
  readonly pool: Pool;
  readonly lease: Lease;
  readonly windowMs: number;
  readonly deliveries: Pick<QueuedDeliveries, 'capacity' | 'room' | 'waiting' | 'accept'>;
  readonly metrics: DispatcherMetrics;
  readonly logger: Logger;
}

const MAX_BATCH = 1000;
/** A batch waits this long for room in memory, in milliseconds; after that its rows are queued for a claim. */
const MAX_ROOM_WAIT_MS = 2000;
/** With more deliveries than this waiting to be sent, there is no hurry to add to them ... */
const READY = 1000;
/** ... for so long, in milliseconds: those that wait may all be of origins that are slow, which must not hold up the others. */
const MAX_READY_WAIT_MS = 250;
const ROOM_POLL = { firstMs: 5, maxMs: 5 };
const CONTENTION = { firstMs: 5, maxMs: 200 };
const MAX_CONTENTION = 12;

interface Waiting {
  readonly changes: readonly StatusChange[];
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** Queues the deliveries of status changes; the partitions' batches that come while a statement runs share the next one. */
@Injectable()
export class FanOutService {
  private waiting: Waiting[] = [];
  private running = false;

  constructor(private readonly options: FanOutOptions) {}

  /**
   * @returns when the deliveries of all changes are durable
   * @throws when that could not be had; repeating it queues nothing twice
   */
  submit(changes: readonly StatusChange[]): Promise<void> {
    if (changes.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.waiting.push({ changes, resolve, reject });
      if (!this.running) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.waiting.length > 0) {
      const batch = this.take();
      try {
        await this.fanOutAll([...new Map(batch.flatMap(({ changes }) => changes).map((change) => [change.id, change])).values()]);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.running = false;
  }

  private take(): Waiting[] {
    let size = 0;
    let count = 0;
    for (const { changes } of this.waiting) {
      if (count > 0 && size + changes.length > MAX_BATCH) break;
      size += changes.length;
      count += 1;
    }
    return this.waiting.splice(0, count);
  }

  private async fanOutAll(changes: readonly StatusChange[]): Promise<void> {
    let remaining = changes;
    let isFilled = false;
    for (let attempt = 1; remaining.length > 0; attempt++) {
      await this.waitForRoom(remaining.length);
      try {
        const { contended, gapped } = await this.fanOutOnce(remaining, isFilled);
        remaining = remaining.filter((change) => contended.has(agentKey(change)) || gapped.has(agentKey(change)));
        isFilled ||= gapped.size > 0;
      } catch (error) {
        if (!tookTooLong(error) || remaining.length === 1) throw error;
        // Many subscriptions to each change: the statement is as long as what it inserts.
        return this.fanOutInParts(remaining, remaining.length >> 1);
      }
      if (remaining.length === 0) return;
      if (attempt === MAX_CONTENTION) throw new Error(`${remaining.length} changes are contended by another instance`);
      if (isFilled) remaining = await this.fill(remaining);
      if (remaining.length > MAX_BATCH) return this.fanOutInParts(remaining, MAX_BATCH);
      await waitBackoff(attempt, CONTENTION);
    }
  }

  private async fanOutInParts(changes: readonly StatusChange[], size: number): Promise<void> {
    for (let start = 0; start < changes.length; start += size) await this.fanOutAll(changes.slice(start, start + size));
  }

  private async fanOutOnce(
    changes: readonly StatusChange[],
    isFilled: boolean,
  ): Promise<Pick<FanOutResult, 'contended' | 'gapped'>> {
    const { pool, windowMs, lease, deliveries, metrics, logger } = this.options;
    const { jobs, queued, contended, gapped, missing } = await fanOut(pool, changes, windowMs, lease, deliveries.room, isFilled);
    deliveries.accept(jobs);
    metrics.queued.inc(queued);
    metrics.changes.inc(changes.length);
    metrics.gaps.inc(missing);
    if (missing > 0) logger.warn({ agents: missing }, 'fan_out.changes_missing');
    logger.debug({ changes: changes.length, queued, contended: contended.size, gapped: gapped.size }, 'fan_out.queued');
    return { contended, gapped };
  }

  /** Adds what the log has before these changes and was not fanned out: the topic lacked it, or brings it later. */
  private async fill(changes: readonly StatusChange[]): Promise<StatusChange[]> {
    const { pool, windowMs, metrics, logger } = this.options;
    const logged = await readUnfanned(pool, changes, windowMs);
    const all = new Map([...changes, ...logged].map((change) => [change.id, change]));
    metrics.filled.inc(all.size - changes.length);
    logger.info({ changes: all.size - changes.length }, 'fan_out.filled_from_log');
    return [...all.values()].sort(byAgentAndSequence);
  }

  /**
   * A backlog is best left in Kafka: what finds no room is queued unleased and has to be claimed, and what waits for long has
   * to be looked up again before it is sent, each of which costs as much as the fan-out itself. Receivers that are all slow
   * slow the consumer down; dead ones keep so little in memory that they do not.
   */
  private async waitForRoom(size: number): Promise<void> {
    const { deliveries } = this.options;
    const startedAt = performance.now();
    const waited = (): number => performance.now() - startedAt;
    while (deliveries.waiting > READY && waited() < MAX_READY_WAIT_MS) await waitBackoff(1, ROOM_POLL);
    const enough = Math.min(size, deliveries.capacity / 2);
    while (deliveries.room < enough && waited() < MAX_ROOM_WAIT_MS) await waitBackoff(1, ROOM_POLL);
  }
}

function byAgentAndSequence(one: StatusChange, other: StatusChange): number {
  return one.clientId - other.clientId || one.agentId - other.agentId || one.sequence - other.sequence;
}

function tookTooLong(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '57014';
}
