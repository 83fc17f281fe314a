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

/** Token of the service's limiter; null where there is no limit. */
export const RATE_LIMITER = Symbol('rate-limiter');

/**
 * Counts an application's requests in fixed windows, in memory. Windows are aligned to the clock, so that the counts of several
 * instances can be added up. Counts of other instances are as old as the last {@link learn}; a limit can be exceeded by what they
 * let through since then.
 */
export class RateLimiter {
  private window = Number.NEGATIVE_INFINITY;
  private counts = new Map<number, number>();
  private elsewhere: ReadonlyMap<number, number> = NOTHING;

  constructor(readonly limit: RateLimit) {}

  /** Counts a request. */
  take(applicationId: number, now: number): RateState {
    this.roll(now);
    this.counts.set(applicationId, (this.counts.get(applicationId) ?? 0) + 1);
    return this.state(applicationId, now);
  }

  /** Tells where an application stands, without counting; undefined: nobody, who has the whole limit. */
  peek(applicationId: number | undefined, now: number): RateState {
    this.roll(now);
    return this.state(applicationId, now);
  }

  /** Returns what this instance counted in the current window, which begins at `window` (milliseconds since 1970). */
  snapshot(now: number): { readonly window: number; readonly counts: ReadonlyMap<number, number> } {
    this.roll(now);
    return { window: this.window, counts: this.counts };
  }

  /** Replaces what other instances counted, by application. Counts of a window that is over are ignored. */
  learn(window: number, elsewhere: ReadonlyMap<number, number>): void {
    if (window === this.window) this.elsewhere = elsewhere;
  }

  private roll(now: number): void {
    const window = Math.floor(now / this.limit.windowMs) * this.limit.windowMs;
    if (window === this.window) return;
    this.window = window;
    this.counts = new Map();
    this.elsewhere = NOTHING;
  }

  private state(applicationId: number | undefined, now: number): RateState {
    const { requests, windowMs } = this.limit;
    const count =
      applicationId === undefined ? 0 : (this.counts.get(applicationId) ?? 0) + (this.elsewhere.get(applicationId) ?? 0);
    return {
      limit: requests,
      remaining: Math.max(0, requests - count),
      resetSeconds: Math.max(1, Math.ceil((this.window + windowMs - now) / 1000)),
      allowed: count <= requests,
    };
  }
}

const NOTHING: ReadonlyMap<number, number> = new Map();
