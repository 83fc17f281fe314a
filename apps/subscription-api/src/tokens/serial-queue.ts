import { ApiError } from '#http';
import { FairQueue } from './fair-queue.js';

interface Waiting {
  readonly start: () => void;
  readonly refuse: (error: ApiError) => void;
}

/** Runs slow work one at a time, with a bounded number of waiting places. */
export class SerialQueue {
  private readonly waiting: FairQueue<Waiting>;
  private busy = false;

  /** @param places how many may wait */
  constructor(places: number) {
    this.waiting = new FairQueue(places);
  }

  /**
   * Runs work when its turn comes.
   *
   * @param path whom it is done for, the widest group first: groups take turns
   * @throws ApiError `unavailable` where there is no place for it
   */
  async run<T>(path: readonly string[], work: () => Promise<T>): Promise<T> {
    if (this.busy) await this.wait(path);
    this.busy = true;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next.start();
      else this.busy = false;
    }
  }

  private wait(path: readonly string[]): Promise<void> {
    return new Promise((start, refuse) => {
      this.waiting.push(path, { start, refuse })?.refuse(
        new ApiError('unavailable', 'Too many requests with wrong credentials are waiting: try again later', {
          headers: { 'retry-after': '1' },
        }),
      );
    });
  }
}
