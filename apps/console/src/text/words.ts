import type { AgentStatus, Attempt, Delivery, DeliveryStatus, EventHealth, EventType, HealthState, Notice } from '../api/types';
import { nameOf } from '../board/agent-row';
import { countOf, formatCount } from './numbers';
import { formatMoment } from './time';

/** What is shown, in words and shapes. Pure. */

/** A shape stands for a state beside its word, so that colour is never alone. */
export type Kind = 'ok' | 'warn' | 'bad' | 'wait' | 'off';

export const AGENT_STATUS: Readonly<Record<AgentStatus, { readonly word: string; readonly kind: Kind }>> = {
  available: { word: 'Available', kind: 'ok' },
  logged_out: { word: 'Logged out', kind: 'off' },
};

export const DELIVERY_STATUS: Readonly<Record<DeliveryStatus, { readonly word: string; readonly kind: Kind }>> = {
  sending: { word: 'Sending', kind: 'wait' },
  waiting: { word: 'Waiting', kind: 'wait' },
  retrying: { word: 'Retrying', kind: 'warn' },
  suspended: { word: 'Suspended', kind: 'bad' },
  delivered: { word: 'Delivered', kind: 'ok' },
  failed: { word: 'Failed', kind: 'bad' },
  dropped: { word: 'Dropped', kind: 'off' },
};

export const HEALTH_STATE: Readonly<Record<HealthState, { readonly word: string; readonly kind: Kind }>> = {
  active: { word: 'Active', kind: 'ok' },
  failing: { word: 'Failing', kind: 'warn' },
  suspended: { word: 'Suspended', kind: 'bad' },
};

export const EVENT_TYPE: Readonly<Record<EventType, string>> = { 'agent-login': 'Login', 'agent-logout': 'Logout' };

/** Returns how the health of an agent event is marked; paused by hand is a suspension of its own kind. */
export function healthOf({ state, reason }: Pick<EventHealth, 'state' | 'reason'>): {
  readonly word: string;
  readonly kind: Kind;
} {
  return reason === 'paused' ? { word: 'Paused', kind: 'wait' } : HEALTH_STATE[state];
}

/** Returns how a notice is marked. */
export function noticeOf({ type, data }: Pick<Notice, 'type' | 'data'>): { readonly word: string; readonly kind: Kind } {
  switch (type) {
    case 'endpoint.suspended':
      return healthOf({ state: 'suspended', reason: data['reason'] === 'paused' ? 'paused' : null });
    case 'endpoint.recovered':
      return { word: 'Resumed', kind: 'ok' };
    case 'replay.finished':
      return { word: 'Replayed', kind: data['failed'] === 0 ? 'ok' : 'warn' };
    case 'limit.near':
      return { word: 'Limit', kind: 'warn' };
  }
}

/** Says where a notice did not get to, in a sentence; undefined where it went wherever it is sent. */
export function noticeUnsent(deliveries: Notice['deliveries']): string | undefined {
  const unsent = deliveries.filter(({ status }) => status !== 'delivered');
  const [first] = unsent;
  if (!first) return undefined;
  const still = unsent.some(({ status }) => status === 'waiting') ? 'has not got' : 'did not get';
  const why = unsent.find(({ last_error }) => last_error !== null)?.last_error;
  return `It ${still} to ${unsent.length} of ${deliveries.length} addresses${why ? `: ${why}` : ''}.`;
}

/** Returns the word for a change: `Login` or `Logout`. */
export function changeWord(status: AgentStatus): string {
  return status === 'available' ? 'Login' : 'Logout';
}

/** Writes the title of a delivery: `Login of 000*094@ringme.ru`. */
export function deliveryTitle({ change, agent, agent_event }: Pick<Delivery, 'change' | 'agent' | 'agent_event'>): string {
  const what = change ? changeWord(change.agent_status) : agent_event.event_type ? EVENT_TYPE[agent_event.event_type] : 'Change';
  return agent ? `${what} of ${nameOf(agent)}` : what;
}

/** Says why a delivery is where it is, in one sentence. @param now for writing times of today without the date */
export function whyOf(delivery: Delivery, now: Date): string {
  const { status, waiting_for: waits, last_attempt: last, next_attempt_at: next, expires_at: end } = delivery;
  const at = (moment: string): string => formatMoment(new Date(moment), now);
  const tried = last ? ` The last attempt: ${outcomeOf(last)}.` : '';
  switch (status) {
    case 'delivered':
      if (delivery.resending) return 'It was delivered, and is being sent again.';
      return last ? `It was delivered at ${at(last.at)}: ${outcomeOf(last)}.` : 'It was delivered.';
    case 'sending':
      return 'It is being sent right now.';
    case 'failed':
      return `Every attempt failed until its window ended.${tried}`;
    case 'dropped':
      return 'It was dropped: its agent event was deleted, or its agent removed.';
    case 'suspended':
      return `Its agent event is suspended${sinceOf(waits, at)}, and it waits for that to be lifted${end ? `, until ${at(end)}` : ''}.${tried}`;
    case 'retrying':
    case 'waiting':
      return waitingFor(delivery, at, next) + tried;
  }
}

function waitingFor({ waiting_for: waits, status }: Delivery, at: (moment: string) => string, next: string | null): string {
  const since = sinceOf(waits, at);
  switch (waits?.reason) {
    case 'earlier':
      return 'It waits behind an earlier notification of this agent to the same url.';
    case 'suspended':
      return `Its agent event is suspended${since}.`;
    case 'origin':
      return `Its receiver is not sent to for now: it has not been answering${since}.${next ? ` Tried again at ${at(next)}.` : ''}`;
    case 'due':
    case undefined:
      if (next) return `${status === 'retrying' ? 'It is tried again' : 'It is sent'} at ${at(next)}.`;
      return status === 'retrying' ? 'It is about to be tried again.' : 'It is about to be sent.';
  }
}

function sinceOf(waits: Delivery['waiting_for'], at: (moment: string) => string): string {
  return waits && 'since' in waits && waits.since !== null ? ` since ${at(waits.since)}` : '';
}

/** Says what came of an attempt: `HTTP 503`, or the error. */
export function outcomeOf({ http_status, error }: Pick<Attempt, 'http_status' | 'error'>): string {
  if (http_status !== null && (error === null || error === '')) return `HTTP ${http_status}`;
  return error ?? 'no answer';
}

/** Says how an agent event is, in a sentence or two. */
export function healthSentence(health: EventHealth, now: Date): string {
  const { state, reason, since, waiting, oldest_waiting: oldest, last_outcome: last } = health;
  const at = (moment: string | null): string => (moment ? formatMoment(new Date(moment), now) : 'some time');
  const backlog =
    waiting === 0 ? 'Nothing waits.' : `${formatCount(waiting)} wait${waiting === 1 ? 's' : ''}, the oldest since ${at(oldest)}.`;
  switch (state) {
    case 'active':
      if (!last) return `Nothing has been sent to it yet. ${backlog}`;
      return `Everything arrives: the last answer was ${outcomeOf(last)}. ${backlog}`;
    case 'failing':
      return `Failing since ${at(since)}${last ? `: ${outcomeOf(last)}` : ''}. ${backlog} Nothing is lost inside the retry window.`;
    case 'suspended': {
      const why =
        reason === 'paused'
          ? `Paused since ${at(since)}.`
          : reason === 'gone'
            ? `Suspended since ${at(since)}: the receiver answered 410, which says that it is gone.`
            : `Suspended since ${at(since)}: it failed for too long.`;
      return `${why} ${backlog} Resume it to have them sent.`;
    }
  }
}

/** Says whether everything arrives, in a sentence: the head of the overview. */
export function arrivalSentence(total: number, failing: number, suspended: number, paused: number): string {
  if (total === 0) return 'There is no agent event yet: nobody is told of logins and logouts.';
  const troubled = failing + suspended + paused;
  if (troubled === 0) return 'Everything arrives.';
  const parts = [
    failing > 0 && `${formatCount(failing)} failing`,
    suspended > 0 && `${formatCount(suspended)} suspended`,
    paused > 0 && `${formatCount(paused)} paused`,
  ].filter((part) => part !== false);
  return `${formatCount(troubled)} of ${countOf(total, 'agent event')} ${troubled === 1 ? 'does' : 'do'} not arrive: ${parts.join(', ')}.`;
}

/** Says what an agent event is for: `Login of every agent`. */
export function scopeOf({ event_type, agent, agent_type }: Pick<EventHealth, 'event_type' | 'agent' | 'agent_type'>): string {
  const who = agent ? nameOf(agent) : agent_type ? `every ${agent_type} agent` : 'every agent';
  return `${EVENT_TYPE[event_type]} of ${who}`;
}
