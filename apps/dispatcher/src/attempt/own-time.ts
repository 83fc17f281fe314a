import { performance as perfHooks } from 'node:perf_hooks';
import { Pace } from './pace.js';

/** Most that is taken for the time that this process needs for its work, in milliseconds. */
const MAX_PACE_MS = 2000;
/** What is out for this much longer than this process itself takes hangs at its origin, in milliseconds. */
const HANGING_MS = 1000;

/**
 * Tells what of the time of deliveries is this process's own, and no fault of an origin: its standstills, and its pace where it is the
 * bottleneck.
 */
export class OwnTime {
  /** How long this process itself takes for what is out, in milliseconds, as of the last tick. */
  paceMs = 0;
  private readonly pace = new Pace();
  private utilization = perfHooks.eventLoopUtilization();
  private tickedAt = performance.now();
  /** How long it has stood still until the last tick, in milliseconds. */
  private stoodStillMs = 0;

  /** @param tickMs how often {@link tick} is called, in milliseconds; what comes more than that later is a standstill */
  constructor(private readonly tickMs: number) {}

  /** Returns how many deliveries this process sends in a time of work: {@link Pace.sentWithin}. */
  sentWithin(ms: number): number {
    return this.pace.sentWithin(ms);
  }

  /** Returns the time on a clock that leaves out the standstills. @param now of `performance.now()`, not before the last tick */
  clock(now: number): number {
    return now - this.stoodStillMs - this.standstillMs(now);
  }

  /**
   * Measures what has been since the last tick.
   *
   * @param ended deliveries that have ended
   * @param isSaturated whether more wait to be sent
   * @param outSince counts the requests that are out and began at a moment of {@link clock}, or later
   */
  tick(now: number, ended: number, isSaturated: boolean, outSince: (moment: number) => number): void {
    const utilization = perfHooks.eventLoopUtilization();
    const since = perfHooks.eventLoopUtilization(utilization, this.utilization);
    this.pace.note(ended, now - this.tickedAt, since.utilization, isSaturated);
    const out = outSince(this.clock(now) - HANGING_MS - this.paceMs);
    this.paceMs = Math.min(MAX_PACE_MS, this.pace.timeFor(out));
    this.utilization = utilization;
    this.stoodStillMs += this.standstillMs(now);
    this.tickedAt = now;
  }

  private standstillMs(now: number): number {
    return Math.max(0, now - this.tickedAt - 2 * this.tickMs);
  }
}
