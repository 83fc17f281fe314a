import type { Delivery, Endpoint } from '../attempt/delivery.js';

/** Names a row of the queue. Lanes have 64 bits and stay text. */
export interface QueueKey {
  readonly lane: string;
  readonly sequence: number;
  readonly agentEventId: number;
}

/** The head of a lane, leased to this instance: one delivery that may be attempted now. */
export interface DeliveryJob extends QueueKey {
  readonly changeId: string;
  readonly clientId: number;
  /** Undefined: the agent event was deleted. */
  readonly endpoint: Endpoint | undefined;
  /** Moment that the endpoint was read, in milliseconds of `performance.now()`. */
  readonly readAt: number;
  /** What is told; undefined when the change is older than the log. */
  readonly change: Delivery['change'] | undefined;
  /** Attempts made in this run of the schedule. */
  readonly attempts: number;
  /** Attempts made in earlier runs. */
  readonly attemptsBefore: number;
  /** End of the retry window by the database's clock, in milliseconds of `performance.now()`. */
  readonly expiresAt: number;
  /** In milliseconds of `performance.now()`; nothing is sent when it is over or about to be. */
  readonly leasedUntil: number;
}
