import type { NotificationMethod } from '#contracts';
import type { AttemptResult } from '#webhook';
import type { Read } from './batched-cache.js';

/** Where and how an agent event is notified; it may change from one attempt to the next. */
export interface Endpoint {
  readonly url: string;
  readonly method: NotificationMethod;
  readonly suspended: boolean;
  /** Whether it is noted as failing, or suspended. */
  readonly unwell?: boolean;
  /** Whether it is for all agents of its client. */
  readonly isForAll?: boolean;
}

/** A delivery of which an attempt may be made now. */
export interface DueDelivery {
  readonly changeId: string;
  readonly clientId: number;
  readonly agentEventId: number;
  /** The agent's. */
  readonly sequence: number;
  /** What is told: the encoded pairs; when it happened, in milliseconds since the epoch; and the trace that it is part of. */
  readonly change: { readonly pairs: string; readonly occurredAt: number; readonly traceparent?: string | undefined };
  /** Attempts made before, in earlier runs of the schedule too. */
  readonly attemptsBefore: number;
  /** Whether this is a later attempt of the same run; it then takes its place from the budget of retries. */
  readonly isRetry: boolean;
  readonly endpoint: Read<Endpoint>;
  /** Moment after which it must not be started any more, in milliseconds of `performance.now()`. */
  readonly startBy: number;
  /** Called once when its request has been out for long at a slow origin, so that nothing goes on waiting for it. */
  readonly onSlow?: (() => void) | undefined;
}

/** Why nothing was sent. */
export type UnsentReason =
  /** Its client has too many failures at this origin just now: no attempt is made for a while. */
  | 'breaker'
  /** As many as the origin, or the client, is trusted with wait already. */
  | 'full'
  /** It has waited for too long behind others of an origin that is slow. */
  | 'slow'
  /** Its agent event was deleted, moved to another url, or suspended meanwhile. */
  | 'deleted'
  | 'moved'
  | 'suspended'
  /** The moment at which it had to be started at the latest has passed. */
  | 'too_late'
  /** It could not be prepared, such as without a signing key; told in the log. */
  | 'not_prepared'
  | 'stopping';

/** Outcome of an attempt. */
export type SendOutcome =
  | {
      readonly kind: 'attempted';
      /** From 1, over every run of the schedule. */
      readonly attempt: number;
      readonly attemptedAt: Date;
      readonly result: AttemptResult;
    }
  | {
      readonly kind: 'unsent';
      readonly reason: UnsentReason;
      /** How long it had better stay away, in milliseconds. */
      readonly delayMs: number;
    };
