/** Requests that may be made in a window of time. */
export interface RateLimit {
  readonly requests: number;
  readonly windowMs: number;
}

/** Where an application stands in its window. */
export interface RateState {
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until the window ends, at least 1. */
  readonly resetSeconds: number;
  /** False: this request is one too many. */
  readonly allowed: boolean;
}

/** Counts an application's requests in fixed windows. */
export interface RateLimiter {
  /** Counts a request. */
  take(applicationId: number, now: number): RateState;
  /** Where an application stands, without counting; undefined: nobody, who has the whole limit. */
  peek(applicationId: number | undefined, now: number): RateState;
}

/** Counts in memory; windows are aligned to the clock, so that the counts of several instances can be added up. */
export class WindowRateLimiter implements RateLimiter {
  private window = Number.NEGATIVE_INFINITY;
  private counts = new Map<number, number>();

  /** @param elsewhere what other instances counted for an application in the current window */
  constructor(
    private readonly limit: RateLimit,
    private readonly elsewhere: (applicationId: number, window: number) => number = () => 0,
  ) {}

  take(applicationId: number, now: number): RateState {
    this.roll(now);
    const count = (this.counts.get(applicationId) ?? 0) + 1;
    this.counts.set(applicationId, count);
    return this.state(count + this.elsewhere(applicationId, this.window), now);
  }

  peek(applicationId: number | undefined, now: number): RateState {
    this.roll(now);
    const count =
      applicationId === undefined ? 0 : (this.counts.get(applicationId) ?? 0) + this.elsewhere(applicationId, this.window);
    return this.state(count, now);
  }

  /** What this instance counted in its current window. */
  snapshot(): { readonly window: number; readonly counts: ReadonlyMap<number, number> } {
    return { window: this.window, counts: this.counts };
  }

  private roll(now: number): void {
    const window = Math.floor(now / this.limit.windowMs) * this.limit.windowMs;
    if (window === this.window) return;
    this.window = window;
    this.counts = new Map();
  }

  private state(count: number, now: number): RateState {
    const { requests, windowMs } = this.limit;
    return {
      limit: requests,
      remaining: Math.max(0, requests - count),
      resetSeconds: Math.max(1, Math.ceil((this.window + windowMs - now) / 1000)),
      allowed: count <= requests,
    };
  }
}
