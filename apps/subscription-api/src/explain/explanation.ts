import { eventTypeOf, type AgentStatus, type StatusChange } from '#contracts';
import type { AgentEvent } from '../agent-events/agent-events.module.js';
import type { LastReportRow } from '../agents/agents.module.js';
import { timeOf, type DeliveryState, type SuspensionReason, type WaitingFor } from '../deliveries/deliveries.module.js';

/** Why an agent was, or was not, notified, as codes and in words for people: contract §3. Pure. Nothing is said of what was not recorded. */

export const EXPLANATION_STEPS = ['report', 'decision', 'change', 'agent_events', 'attempts'] as const;

/** One step of the path from telemetry to the third party. */
export interface Step {
  readonly step: (typeof EXPLANATION_STEPS)[number];
  readonly code: string;
  readonly words: string;
}

/** Why an agent event was, or was not, told. */
export interface Reason {
  readonly code: string;
  readonly words: string;
}

/** What the log says of an agent at a moment. */
export type AtMoment =
  | { readonly kind: 'change'; readonly change: StatusChange }
  /** It had not changed yet. */
  | { readonly kind: 'no_change' }
  /** It was not known yet. */
  | { readonly kind: 'not_seen'; readonly firstSeen: Date }
  /** The log does not reach back so far. */
  | { readonly kind: 'not_kept'; readonly at: Date; readonly keptSince: Date };

const WORDS: Readonly<Record<AgentStatus, string>> = { available: 'available', logged_out: 'logged out' };

/** Explains the last known report. */
export function reportStep(moment: AtMoment, report: LastReportRow | undefined): Step {
  const step = 'report';
  const isOfChange = moment.kind === 'change' && (!report || report.reported_at.getTime() < moment.change.changedAt);
  if (report && !isOfChange) {
    const { reported_at, agent_status, event_source, result, since_change } = report;
    const count = result === 'changed' ? '' : `, report ${since_change} since the last change`;
    const words = `The last report came at ${reported_at.toISOString()} and said ${WORDS[agent_status]} (${event_source})${count}.`;
    return { step, code: 'last_report', words };
  }
  if (moment.kind === 'change') {
    const { occurredAt, agentStatus, eventSource } = moment.change;
    const words = `It was reported ${WORDS[agentStatus]} (${eventSource}) as of ${new Date(occurredAt).toISOString()}. Of later reports up to that moment, nothing is recorded.`;
    return { step, code: 'report_of_change', words };
  }
  return { step, code: 'not_recorded', words: 'No report up to that moment is recorded.' };
}

/** Explains what presence decided about the last known report. */
export function decisionStep(moment: AtMoment, report: LastReportRow | undefined): Step {
  const step = 'decision';
  if (
    report &&
    report.result !== 'changed' &&
    !(moment.kind === 'change' && report.reported_at.getTime() < moment.change.changedAt)
  ) {
    return { step, code: report.result, words: DECISIONS[report.result] };
  }
  if (moment.kind !== 'change') return { step, code: 'not_recorded', words: 'No decision up to that moment is recorded.' };
  const { occurredAt, eventSource, agentStatus } = moment.change;
  const words = `The report of ${new Date(occurredAt).toISOString()} (${eventSource}) changed the status to ${agentStatus}.`;
  return { step, code: 'changed', words };
}

const DECISIONS = {
  unchanged: 'It repeated the status that the agent had, and changed nothing.',
  stale: 'It was older than the last change, and changed nothing.',
  rejected: 'It did not fit the agent, and was rejected.',
} as const;

/** Explains which change was in force. */
export function changeStep(moment: AtMoment): Step {
  const step = 'change';
  switch (moment.kind) {
    case 'change': {
      const { agentStatus, sequence, changedAt } = moment.change;
      const words = `Change ${sequence} of the agent, to ${WORDS[agentStatus]}, was written at ${new Date(changedAt).toISOString()}.`;
      return { step, code: 'changed', words };
    }
    case 'no_change':
      return { step, code: 'no_change', words: 'The agent had not changed yet; until it does it counts as logged out.' };
    case 'not_seen':
      return {
        step,
        code: 'not_seen',
        words: `The agent was not known yet: it was first seen at ${moment.firstSeen.toISOString()}.`,
      };
    case 'not_kept':
      return {
        step,
        code: 'not_kept',
        words: `The log of changes is kept since ${moment.keptSince.toISOString()}; what was before is not known.`,
      };
  }
}

/** Whether the agent events that are looked at were told, and how many of each kind there are. */
interface ToldCounts {
  readonly told: number;
  readonly notTold: number;
  /** What became of the change for them is not kept. */
  readonly unknown: number;
  /** Whether there are more agent events than were looked at. */
  readonly hasMore: boolean;
}

export function eventsStep(moment: AtMoment, { told, notTold, unknown, hasMore }: ToldCounts, { isKept }: DeliveryRecord): Step {
  const step = 'agent_events';
  const only = hasMore ? ' There are more agent events; only the first of them are explained.' : '';
  if (moment.kind === 'not_kept')
    return { step, code: 'not_kept', words: `Which agent events were to be notified then is not kept.${only}` };
  if (moment.kind !== 'change') return { step, code: 'nothing_to_tell', words: `There is no change to notify of.${only}` };
  if (isKept && told + notTold === 0) return { step, code: 'none', words: 'There is no agent event for this agent.' };
  const counts = `${told} agent ${told === 1 ? 'event matches' : 'events match'} it, ${notTold} ${notTold === 1 ? 'does' : 'do'} not`;
  const lost = `${unknown > 0 ? `for ${unknown} others and ` : ''}for deleted ones this is not kept any more`;
  const words = `${isKept ? counts : `${counts}; ${lost}`}.${only}`;
  return { step, code: told > 0 ? 'told' : isKept ? 'none_told' : 'not_kept', words };
}

/** Whether what was sent of a moment is kept. Attempts are kept for less long than the log of changes. */
export interface DeliveryRecord {
  readonly isKept: boolean;
  /** The moment from which on attempts are kept; undefined: from the first on. */
  readonly since: Date | undefined;
}

/** @param attemptsSince the moment from which on attempts are kept, told after they were read; undefined: from the first on */
export function recordOfDeliveries(moment: AtMoment, attemptsSince: Date | undefined): DeliveryRecord {
  const isOlder = (change: StatusChange): boolean => attemptsSince !== undefined && timeOf(change.id) < attemptsSince.getTime();
  const isLost = moment.kind === 'not_kept' || (moment.kind === 'change' && isOlder(moment.change));
  return { isKept: !isLost, since: attemptsSince };
}

export function attemptsStep(states: readonly DeliveryState[], { isKept, since }: DeliveryRecord): Step {
  const step = 'attempts';
  const lost = isKept ? '' : `Attempts are kept${since ? ` since ${since.toISOString()}` : ''}; earlier ones are not known.`;
  if (states.length === 0)
    return isKept ? { step, code: 'none', words: 'Nothing was to be sent.' } : { step, code: 'not_kept', words: lost };
  const counts = new Map<string, number>();
  for (const { status } of states) counts.set(status, (counts.get(status) ?? 0) + 1);
  const words = `${[...counts].map(([status, count]) => `${count} ${status}`).join(', ')}. ${lost}`.trimEnd();
  return { step, code: counts.size === 1 ? states[0]!.status : 'mixed', words };
}

/** Explains what became of the delivery to an agent event. */
export function reasonOfDelivery({ status, resending, waitingFor }: DeliveryState): Reason {
  switch (status) {
    case 'sending':
      return { code: 'sending', words: 'it is being sent' };
    case 'suspended':
      return { code: 'suspended', words: suspensionIn(waitingFor) };
    case 'waiting':
      if (waitingFor?.reason === 'earlier') {
        return { code: 'earlier', words: `it waits for an earlier notification, ${waitingFor.deliveryId}` };
      }
      if (waitingFor?.reason === 'origin')
        return {
          code: 'origin',
          words: `it waits because too many attempts at its origin failed: since ${waitingFor.since.toISOString()} nothing but probes is sent there`,
        };
      return { code: 'due', words: 'it waits for its turn' };
    case 'retrying':
      return { code: 'retrying', words: 'its attempts have failed so far; it will be tried again' };
    case 'delivered':
      return { code: 'delivered', words: resending ? 'it was delivered, and is being sent again' : 'it was delivered' };
    case 'failed':
      return { code: 'failed', words: 'every attempt failed until the retry window ended' };
    case 'dropped':
      return { code: 'dropped', words: 'it was dropped' };
  }
}

const SUSPENSION: Readonly<Record<SuspensionReason, string>> = {
  gone: 'the receiver answered 410, which suspended the agent event',
  failing: 'it had failed for so long that the agent event was suspended',
  paused: 'the agent event was paused',
};

function suspensionIn(waitingFor: WaitingFor | undefined): string {
  if (waitingFor?.reason !== 'suspended' || !waitingFor.by) return 'it waits because the agent event is suspended: resume it';
  return `it waits because ${SUSPENSION[waitingFor.by]} at ${waitingFor.since.toISOString()}: resume it`;
}

/** An agent event as it is now, and when it was added and last changed. */
type ExplainableEvent = AgentEvent & {
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly afterSequence: number;
};

/**
 * Explains why there is no delivery to an agent event.
 *
 * @returns notified: null where it may have been told, and what was sent then is not kept
 */
export function withoutDelivery(
  event: ExplainableEvent,
  moment: AtMoment,
  { isKept }: DeliveryRecord,
): { readonly notified: false | null; readonly reason: Reason } {
  if (moment.kind === 'not_kept') {
    return event.createdAt > moment.at ? { notified: false, reason: ADDED_LATER } : { notified: null, reason: NOT_KEPT };
  }
  if (moment.kind !== 'change') {
    return { notified: false, reason: { code: 'nothing_to_tell', words: 'there was no change' } };
  }
  const reason = reasonAgainst(event, moment.change);
  // Of one that was changed since, what it was for then is not said by what it is for now.
  const mayHaveMatched = reason.code === 'not_recorded' || event.updatedAt.getTime() > moment.change.changedAt;
  if (!isKept && mayHaveMatched && !wasAddedLater(event, moment.change)) return { notified: null, reason: NOT_KEPT };
  return { notified: false, reason };
}

const ADDED_LATER: Reason = { code: 'added_later', words: 'it was added after the change' };
const NOT_KEPT: Reason = { code: 'not_kept', words: 'what was sent to it then is not kept any more' };

function reasonAgainst(event: ExplainableEvent, change: StatusChange): Reason {
  const eventType = eventTypeOf(change.agentStatus);
  if (event.eventType !== eventType) {
    return { code: 'other_event_type', words: `it is for ${event.eventType}, and the change was an ${eventType}` };
  }
  if (event.agentType !== null && event.agentType !== change.agentType) {
    return { code: 'other_agent_type', words: `it is for ${event.agentType} agents` };
  }
  if (wasAddedLater(event, change)) return ADDED_LATER;
  return { code: 'not_recorded', words: 'no delivery is recorded, or it was added while the change was made' };
}

function wasAddedLater({ agentId, afterSequence, createdAt }: ExplainableEvent, { sequence, changedAt }: StatusChange): boolean {
  return agentId !== null ? sequence <= afterSequence : changedAt < createdAt.getTime();
}
