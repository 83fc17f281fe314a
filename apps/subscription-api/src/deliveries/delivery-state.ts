/** What a delivery is doing, and what for: contract §3. Pure. */

export const DELIVERY_STATUSES = ['sending', 'waiting', 'retrying', 'suspended', 'delivered', 'failed', 'dropped'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

export type AttemptOutcome = 'delivered' | 'retry' | 'failed' | 'dropped';

/** What suspended an agent event: an answer 410, failures for too long, or somebody's call. */
export type SuspensionReason = 'gone' | 'failing' | 'paused';

/** What a delivery that is not finished waits for. */
export type WaitingFor =
  | { readonly reason: 'earlier'; readonly deliveryId: string }
  | { readonly reason: 'suspended'; readonly since: Date; readonly by: SuspensionReason | undefined }
  | { readonly reason: 'origin'; readonly since: Date }
  | { readonly reason: 'due'; readonly since: Date | undefined };

/** What is known of one delivery, of one moment. */
export interface DeliveryFacts {
  /** The agent's, of the change; undefined: the log does not keep it any more. */
  readonly sequence: number | undefined;
  /** Of the change, in milliseconds since the epoch. */
  readonly changedAt: number | undefined;
  /** Changes of the agent up to this sequence are finished or behind. */
  readonly cursor: number;
  /** Whether the agent event is for such a change, and was there before it. */
  readonly matches: boolean;
  readonly lastOutcome: AttemptOutcome | undefined;
  /** Whether an attempt was answered 2xx, in this run of the schedule or an earlier one. */
  readonly wasDelivered: boolean;
  /** Where the agent event is behind for the agent: its row of `dispatch.behind`. */
  readonly behind: BehindFacts | undefined;
  /** Where it is sent again. */
  readonly redelivery: RedeliveryFacts | undefined;
  /** When the agent event was suspended or paused. */
  readonly suspendedAt: Date | undefined;
  readonly suspendedBy: SuspensionReason | undefined;
  /** Since when its origin is not sent to. */
  readonly originSince: Date | undefined;
}

export interface BehindFacts {
  readonly nextSequence: number;
  /** Of the head, made. */
  readonly attempts: number;
  readonly dueAt: Date | undefined;
  /** Whether the head's first request may still be out. */
  readonly isOut: boolean;
  /** Whether the delivery is the head. */
  readonly isHead: boolean;
  readonly headId: string | undefined;
  readonly headExpiresAt: Date | undefined;
  /** The delivery of another agent event to the same url that the head waits for. */
  readonly blockedBy: string | undefined;
  readonly since: Date;
}

export interface RedeliveryFacts {
  /** Of this run. */
  readonly attempts: number;
  readonly dueAt: Date;
  readonly expiresAt: Date;
  /** The earlier one of the agent that is sent again before it; undefined: it is its turn. */
  readonly headId: string | undefined;
}

export interface DeliveryState {
  readonly status: DeliveryStatus;
  /** It was delivered, and is sent again. */
  readonly resending: boolean;
  readonly waitingFor: WaitingFor | undefined;
  readonly nextAttemptAt: Date | undefined;
  readonly expiresAt: Date | undefined;
}

const FINISHED = { resending: false, waitingFor: undefined, nextAttemptAt: undefined, expiresAt: undefined };

/**
 * Derives the one state that a delivery is in.
 *
 * @param windowMs for how long a delivery is tried after its change, in milliseconds
 * @returns undefined: there is no such delivery
 */
export function deliveryStateOf(facts: DeliveryFacts, windowMs: number): DeliveryState | undefined {
  const { lastOutcome, redelivery, changedAt, wasDelivered } = facts;
  if (redelivery && lastOutcome !== undefined) return sentAgain(facts, redelivery);
  // What arrived has arrived, whatever became of sending it again.
  if (wasDelivered) return { ...FINISHED, status: 'delivered' };
  if (lastOutcome !== undefined && lastOutcome !== 'retry') return { ...FINISHED, status: lastOutcome };
  const expiresAt = changedAt === undefined ? undefined : new Date(changedAt + windowMs);
  if (facts.behind && isBehind(facts, facts.behind)) return ofBehind(facts, facts.behind, expiresAt);
  if (lastOutcome === 'retry') return { ...FINISHED, status: 'dropped' }; // nobody will try again
  if (facts.matches && facts.sequence !== undefined && facts.sequence > facts.cursor) {
    return { ...FINISHED, status: 'sending', expiresAt };
  }
  return undefined;
}

/** Tells whether a row that is behind holds a delivery: one between its head and the agent's cursor that matches. */
function isBehind({ sequence, cursor, matches, lastOutcome }: DeliveryFacts, { nextSequence, isHead }: BehindFacts): boolean {
  if (isHead) return true;
  if (sequence === undefined || sequence < nextSequence || sequence > cursor) return false;
  return matches || lastOutcome === 'retry';
}

function ofBehind(
  facts: DeliveryFacts,
  { isHead, isOut, attempts, headId, headExpiresAt, blockedBy, dueAt, since }: BehindFacts,
  expiresAt: Date | undefined,
): DeliveryState {
  const unfinished = { resending: false, nextAttemptAt: undefined, expiresAt: isHead ? (headExpiresAt ?? expiresAt) : expiresAt };
  if (isHead && isOut) return { ...unfinished, status: 'sending', waitingFor: undefined };
  if (facts.suspendedAt) {
    const waitingFor: WaitingFor = { reason: 'suspended', since: facts.suspendedAt, by: facts.suspendedBy };
    return { ...unfinished, status: 'suspended', waitingFor };
  }
  if (!isHead) {
    const waitingFor: WaitingFor = headId === undefined ? { reason: 'due', since } : { reason: 'earlier', deliveryId: headId };
    return { ...unfinished, status: 'waiting', waitingFor };
  }
  const status = attempts > 0 || facts.lastOutcome === 'retry' ? 'retrying' : 'waiting';
  if (dueAt === undefined && blockedBy !== undefined) {
    return { ...unfinished, status, waitingFor: { reason: 'earlier', deliveryId: blockedBy } };
  }
  return { ...unfinished, status, waitingFor: dueOr(facts.originSince, since), nextAttemptAt: dueAt };
}

function sentAgain(
  { suspendedAt, suspendedBy, originSince, wasDelivered: resending }: DeliveryFacts,
  { attempts, dueAt, expiresAt, headId }: RedeliveryFacts,
): DeliveryState {
  const waitingFor: WaitingFor = suspendedAt
    ? { reason: 'suspended', since: suspendedAt, by: suspendedBy }
    : headId !== undefined
      ? { reason: 'earlier', deliveryId: headId }
      : dueOr(originSince, undefined);
  const again = { resending, waitingFor, nextAttemptAt: suspendedAt || headId !== undefined ? undefined : dueAt, expiresAt };
  if (resending) return { ...again, status: 'delivered' };
  if (suspendedAt) return { ...again, status: 'suspended' };
  return { ...again, status: attempts > 0 ? 'retrying' : 'waiting' };
}

function dueOr(originSince: Date | undefined, since: Date | undefined): WaitingFor {
  return originSince ? { reason: 'origin', since: originSince } : { reason: 'due', since };
}
