/** A process that is busy for more of its time than this is the bottleneck itself. */
const BOTTLENECK = 0.8;
/** One that is busy for less than this could do so much more that its pace bounds nothing. */
const IDLE = 0.5;
/** Part of how busy it was that still counts in the next measurement: what has gathered in a busy moment is late after it, too. */
const LINGERING = 0.95;
/** Weight of the newest measurement of the pace. */
const WEIGHT = 0.3;
/** Least busy part of a while that says how much the process gets done. */
const MIN_UTILIZATION = 0.1;

/**
 * How much this process gets done when nothing but itself holds it up: its event loop, or other processes that take the processor from
 * it. What is read ahead beyond that only grows old in memory, and what takes long then is no fault of an origin. Pure; times are
 * parameters, in milliseconds.
 */
export class Pace {
  private utilization = 0;
  /** Deliveries a millisecond of work. */
  private perMs: number | undefined;

  /**
   * Notes what a while has brought.
   *
   * @param ended deliveries that have ended in it
   * @param utilization part of it in which the event loop was busy, from 0 to 1
   * @param isSaturated whether more waited; otherwise it could have been more, unless the process was the bottleneck
   */
  note(ended: number, ms: number, utilization: number, isSaturated: boolean): void {
    this.utilization = Math.max(utilization, this.utilization * LINGERING);
    if (utilization < MIN_UTILIZATION || ms <= 0) return;
    if (!isSaturated && (ended === 0 || utilization <= BOTTLENECK)) return;
    const perMs = ended / (ms * utilization);
    this.perMs = this.perMs === undefined ? perMs : this.perMs * (1 - WEIGHT) + perMs * WEIGHT;
  }

  /** Returns how many deliveries this process sends in a time of work; `Infinity` as long as it has enough time left. */
  sentWithin(ms: number): number {
    return this.perMs === undefined || this.utilization < IDLE ? Infinity : this.perMs * ms;
  }

  /** Returns how long deliveries wait for this process itself, in milliseconds; 0 as long as it has time left. */
  timeFor(deliveries: number): number {
    const isBottleneck = this.perMs !== undefined && this.utilization > BOTTLENECK;
    return isBottleneck && deliveries > 0 ? deliveries / this.perMs! : 0;
  }
}
