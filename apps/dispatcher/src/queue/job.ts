import type { NotificationMethod } from '#contracts';

/** Names a row of the queue. Lanes have 64 bits and stay text. */
export interface QueueKey {
  readonly lane: string;
  readonly sequence: number;
  readonly agentEventId: number;
}

/** Where an agent event wants its notifications; it may change from one attempt to the next. */
export interface Endpoint {
  readonly url: string;
  readonly method: NotificationMethod;
  readonly suspended: boolean;
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
  readonly change: { readonly pairs: string; readonly occurredAt: Date } | undefined;
  /** Attempts made in this run of the schedule. */
  readonly attempts: number;
  /** Attempts made in earlier runs. */
  readonly attemptsBefore: number;
  /** End of the retry window, in milliseconds since the epoch. */
  readonly expiresAt: number;
  /** In milliseconds of `performance.now()`; nothing is sent when it is over or about to be. */
  readonly leasedUntil: number;
}
