import { backoffDelay, type Backoff } from './retry.js';

export interface LoopOptions {
  /**
   * Does one step; the next begins only when it has ended.
   *
   * @param succeeded to be called by a step that lasts: should it fail later, failures are counted anew
   * @returns how long to wait for the next step, in milliseconds; 0: not at all; Infinity: until somebody wakes the loop
   */
  readonly step: (succeeded: () => void) => Promise<number>;
  /** Told of a step that threw. @param failures how many have in a row, from 1 */
  readonly onError: (error: unknown, failures: number) => void;
  /** How long to wait after a step that threw. Nobody can shorten that, or a dependency that is away would be asked all the time. */
  readonly backoff: Backoff;
  /** Least time from the end of a step to the beginning of the next, in milliseconds, however often the loop is woken; none by default. */
  readonly minMs?: number;
}

/** The longest that a timer of Node can wait, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Repeats a step in the background until it is stopped: one at a time, sooner when woken, later when it fails. A wake-up that comes
 * during a step counts for the time after it, since the step may already have looked.
 */
export class Loop {
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  /** When the next step is due, on the clock of `performance.now()`. */
  private dueAt = Infinity;
  /** Until then no step begins, whoever wakes the loop. */
  private notBefore = 0;
  /** Set while the loop waits: looks again at how long. */
  private waitAnew: (() => void) | undefined;

  constructor(private readonly options: LoopOptions) {}

  /** Returns the signal that {@link stop} aborts. */
  get signal(): AbortSignal {
    return this.stopping.signal;
  }

  /** Begins with the first step at once. Does nothing when it has begun. */
  start(): void {
    this.running ??= this.run();
  }

  /** Has the next step begin at once. */
  wake(): void {
    this.wakeIn(0);
  }

  /** Has the next step begin after this time at the latest, in milliseconds. */
  wakeIn(ms: number): void {
    const at = performance.now() + ms;
    if (at >= this.dueAt) return;
    this.dueAt = at;
    this.waitAnew?.();
  }

  /** Begins no further step, and waits for the one under way. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.waitAnew?.();
    await this.running;
  }

  private async run(): Promise<void> {
    const { step, onError, backoff, minMs = 0 } = this.options;
    let failures = 0;
    while (!this.signal.aborted) {
      this.dueAt = Infinity;
      try {
        const nextMs = await step(() => (failures = 0));
        failures = 0;
        this.notBefore = minMs > 0 ? performance.now() + minMs : 0;
        this.wakeIn(nextMs);
      } catch (error) {
        failures += 1;
        onError(error, failures);
        this.notBefore = performance.now() + backoffDelay(failures, backoff, Math.random());
        this.wake();
      }
      await this.untilDue();
    }
  }

  private async untilDue(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.waitAnew = () => {
        clearTimeout(timer);
        const ms = Math.max(this.dueAt, this.notBefore) - performance.now();
        if (ms <= 0 || this.signal.aborted) resolve();
        else if (ms < Infinity) timer = setTimeout(() => this.waitAnew?.(), Math.min(ms, MAX_TIMER_MS));
      };
      this.waitAnew();
    });
    this.waitAnew = undefined;
    clearTimeout(timer);
  }
}
