import type { Target } from '#webhook';
import type { DueDelivery, SendOutcome } from './delivery.js';
import { OriginHealth } from './origin-health.js';

/** A delivery that waits for a slot, and the callback for its outcome. */
export interface QueuedDelivery {
  readonly delivery: DueDelivery;
  readonly target: Target;
  /** By the clock of `OwnTime`. */
  readonly since: number;
  readonly settle: (outcome: SendOutcome) => void;
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

/** A set whose members are taken in turn; a member that is added again goes to the end. */
export class RoundRobin<T> {
  private readonly members = new Set<T>();

  get size(): number {
    return this.members.size;
  }

  add(member: T): void {
    this.members.add(member);
  }

  /** Removes and returns the member that has waited longest. */
  next(): T | undefined {
    const [member] = this.members;
    if (member !== undefined) this.members.delete(member);
    return member;
  }
}

/** Scheme, host and port of urls, for all clients. */
export class Origin {
  /** Requests in flight, of all clients. */
  inFlight = 0;
  readonly shares = new Map<number, OriginShare>();
  /** Shares with something to send that only the origin's own cap keeps from it. */
  readonly starved = new RoundRobin<OriginShare>();

  constructor(readonly name: string) {}
}

/** What one client has under way, at all origins together. */
export class ClientLoad {
  firstAttempts = 0;
  retries = 0;
  waiting = 0;
  /** Origins that it has a share of. */
  shares = 0;
  /** Shares with something to send that only a budget keeps from it. */
  readonly starved = new RoundRobin<OriginShare>();
}

/**
 * One client's deliveries to one origin, first attempts and retries apart, and how the origin is doing for this client: another
 * client's path there may be well when this one's is not (contract §7.5).
 */
export class OriginShare {
  readonly health: OriginHealth;
  /** When each request in flight began, by the clock of `OwnTime`, the oldest first. */
  readonly inFlight = new Set<{ readonly startedAt: number; onSlow: (() => void) | undefined }>();
  private readonly firstAttempts = new Fifo<QueuedDelivery>();
  private readonly retries = new Fifo<QueuedDelivery>();
  private retryNext = false;
  /** Milliseconds of `performance.now()`. */
  usedAt = 0;
  /** When the last request ended with an answer, by the clock of `OwnTime`. */
  answeredAt = 0;

  /** @param maxLimit most requests at once */
  constructor(
    readonly origin: Origin,
    readonly client: ClientLoad,
    maxLimit: number,
  ) {
    this.health = new OriginHealth(maxLimit);
  }

  get waiting(): number {
    return this.firstAttempts.length + this.retries.length;
  }

  get isIdle(): boolean {
    return this.waiting === 0 && this.inFlight.size === 0;
  }

  /**
   * Tells whether requests there take long, or are not answered at all.
   *
   * @param now by the clock of `OwnTime`
   * @param ownMs how much of an answer's time is this process's own, in milliseconds
   */
  isSlow(now: number, slowMs: number, ownMs: number): boolean {
    const [oldest] = this.inFlight;
    if (this.health.isOpen || this.health.isSlow(slowMs)) return true;
    return oldest !== undefined && now - Math.max(oldest.startedAt, this.answeredAt) > slowMs + ownMs;
  }

  /** Calls `onSlow` of the requests that began before a moment, each once. */
  tellSlow(before: number): void {
    for (const slot of this.inFlight) {
      if (slot.startedAt >= before) return;
      slot.onSlow?.();
      slot.onSlow = undefined;
    }
  }

  push(waiting: QueuedDelivery): void {
    (waiting.delivery.isRetry ? this.retries : this.firstAttempts).push(waiting);
  }

  /** Removes the next first attempt or retry for which there is room; the two take turns. */
  take(firstAttemptsAllowed: boolean, retriesAllowed: boolean): QueuedDelivery | undefined {
    const canFirst = firstAttemptsAllowed && this.firstAttempts.length > 0;
    const canRetry = retriesAllowed && this.retries.length > 0;
    if (!canFirst && !canRetry) return undefined;
    const retry = canRetry && (this.retryNext || !canFirst);
    this.retryNext = !retry;
    return (retry ? this.retries : this.firstAttempts).shift();
  }

  /** Removes what was queued before a moment, and the oldest beyond a limit. */
  takeStale(before: number, limit: number): QueuedDelivery[] {
    const stale: QueuedDelivery[] = [];
    for (const fifo of [this.retries, this.firstAttempts]) {
      while (fifo.first && (fifo.first.since < before || this.waiting > limit)) stale.push(fifo.shift()!);
    }
    return stale;
  }
}
