import type { DeliveryJob } from '../queue/job.js';
import type { Target } from '#webhook';
import { OriginHealth } from './origin-health.js';

/** A delivery that waits for a slot. */
export interface QueuedJob {
  readonly job: DeliveryJob;
  readonly target: Target;
  /** Milliseconds of `performance.now()`. */
  readonly since: number;
}

/** First in, first out, without moving what remains. */
class Fifo<T> {
  private items: T[] = [];
  private head = 0;

  get length(): number {
    return this.items.length - this.head;
  }

  get first(): T | undefined {
    return this.items[this.head];
  }

  push(item: T): void {
    this.items.push(item);
  }

  shift(): T | undefined {
    const item = this.items[this.head];
    if (item === undefined) return undefined;
    this.head += 1;
    if (this.head > 1000 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return item;
  }
}

/** The deliveries that wait for one origin, first attempts and retries apart, and how the origin is doing. */
export class OriginQueue {
  readonly health: OriginHealth;
  /** When each request in flight began, the oldest first. */
  readonly inFlight = new Set<{ readonly startedAt: number }>();
  private readonly firsts = new Fifo<QueuedJob>();
  private readonly retries = new Fifo<QueuedJob>();
  private retryNext = false;
  /** Milliseconds of `performance.now()`. */
  usedAt = 0;
  /** When the last request ended with an answer, in milliseconds of `performance.now()`. */
  answeredAt = 0;

  constructor(maxLimit: number) {
    this.health = new OriginHealth(maxLimit);
  }

  get waiting(): number {
    return this.firsts.length + this.retries.length;
  }

  push(queued: QueuedJob): void {
    (queued.job.attempts > 0 ? this.retries : this.firsts).push(queued);
  }

  /** Takes the next one of a kind that there is room for; the kinds take turns. */
  take(firstsAllowed: boolean, retriesAllowed: boolean): QueuedJob | undefined {
    const canFirst = firstsAllowed && this.firsts.length > 0;
    const canRetry = retriesAllowed && this.retries.length > 0;
    if (!canFirst && !canRetry) return undefined;
    const retry = canRetry && (this.retryNext || !canFirst);
    this.retryNext = !retry;
    return (retry ? this.retries : this.firsts).shift();
  }

  /** Takes out what has waited since before a moment, and what is more than a limit. */
  takeStale(before: number, limit: number): QueuedJob[] {
    const stale: QueuedJob[] = [];
    for (const fifo of [this.retries, this.firsts]) {
      while (fifo.first && (fifo.first.since < before || this.waiting > limit)) stale.push(fifo.shift()!);
    }
    return stale;
  }
}
