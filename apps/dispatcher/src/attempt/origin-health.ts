import type { AttemptResult } from '#webhook';

/** Requests at once that an origin may have before it has answered anything. */
const FIRST_LIMIT = 8;
/** An answer that takes longer does not raise the limit, in milliseconds. */
const SLOW_MS = 1000;
/** Failures in a row that open the breaker. */
const BREAKER_FAILURES = 5;
const FIRST_OPEN_MS = 1000;
/** Short, so that an endpoint that is back is found out soon; one probe each costs little. */
const MAX_OPEN_MS = 5000;
/** What is assumed of an origin that has not answered yet, in milliseconds. */
const UNKNOWN_LATENCY_MS = 50;
/** An origin may have as many deliveries waiting in memory as it takes in about this long, in milliseconds. */
const BACKLOG_MS = 10_000;

/** Tells whether there is somebody behind an origin at all; a gateway's error says that there is not. */
export function isAlive(result: AttemptResult): boolean {
  return 'status' in result && result.status !== 502 && result.status !== 503 && result.status !== 504;
}

/**
 * How much one origin is trusted with: contract §7.5. The limit of requests at once begins low, grows with every quick answer
 * and shrinks with failures and slow ones, so that an endpoint that hangs never takes more than its share. Failures in a row
 * open the breaker: nothing is sent until a pause is over, then one probe decides. Pure; time is a parameter, in milliseconds
 * of one monotonic clock.
 */
export class OriginHealth {
  private limit = FIRST_LIMIT;
  private latencyMs: number | undefined;
  private failures = 0;
  private openUntil: number | undefined;
  private nextOpenMs = FIRST_OPEN_MS;
  private probing = false;

  /** @param maxLimit most requests at once */
  constructor(private readonly maxLimit: number) {
    this.limit = Math.min(FIRST_LIMIT, maxLimit);
  }

  get isOpen(): boolean {
    return this.openUntil !== undefined;
  }

  /** Tells whether its answers take longer than this, in milliseconds, most of the time. */
  isSlow(ms: number): boolean {
    return this.latencyMs !== undefined && this.latencyMs > ms;
  }

  /** Tells whether one more request may be made now. */
  admits(inFlight: number, now: number): boolean {
    if (this.openUntil !== undefined) return !this.probing && now >= this.openUntil;
    return inFlight < this.limit;
  }

  /** Returns the most deliveries that may wait for this origin in memory. */
  get backlogLimit(): number {
    if (this.isOpen) return 1;
    return Math.ceil(this.limit * Math.max(1, BACKLOG_MS / Math.max(1, this.latencyMs ?? UNKNOWN_LATENCY_MS)));
  }

  /** Returns how long a delivery that is not admitted had better stay away, in milliseconds. */
  pauseMs(now: number): number {
    return this.openUntil === undefined ? 0 : Math.max(0, this.openUntil - now);
  }

  started(): void {
    if (this.openUntil !== undefined) this.probing = true;
  }

  /** Notes that a request came to nothing on our own side: it says nothing about the origin. */
  cancelled(): void {
    this.probing = false;
  }

  /** Notes that a request has been in flight for this long and is not answered yet. */
  stillWaiting(ms: number): void {
    if (ms > (this.latencyMs ?? UNKNOWN_LATENCY_MS)) this.latencyMs = ms;
  }

  /** @param alive see {@link isAlive} */
  ended(alive: boolean, latencyMs: number, now: number): void {
    this.latencyMs = this.latencyMs === undefined ? latencyMs : this.latencyMs * 0.8 + latencyMs * 0.2;
    if (alive) this.answered(latencyMs);
    else this.failed(now);
  }

  private answered(latencyMs: number): void {
    if (this.openUntil !== undefined) this.limit = Math.min(FIRST_LIMIT, this.maxLimit);
    this.openUntil = undefined;
    this.probing = false;
    this.failures = 0;
    this.nextOpenMs = FIRST_OPEN_MS;
    if (latencyMs < SLOW_MS) this.limit = Math.min(this.maxLimit, this.limit + 1);
    else this.limit = Math.max(Math.min(FIRST_LIMIT, this.maxLimit), this.limit - 1);
  }

  private failed(now: number): void {
    this.failures += 1;
    this.limit = Math.max(1, Math.floor(this.limit / 2));
    if (this.openUntil === undefined ? this.failures < BREAKER_FAILURES : !this.probing) return;
    this.openUntil = now + this.nextOpenMs;
    this.nextOpenMs = Math.min(MAX_OPEN_MS, this.nextOpenMs * 2);
    this.probing = false;
  }
}
