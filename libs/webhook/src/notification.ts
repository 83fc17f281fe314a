import { nameFieldOf, parseId, traceparentOf, type NotificationMethod, type StatusChange } from '#contracts';
import { VERSION } from '#runtime';
import { signV1, type WebhookSigningKey } from './signature.js';

/** The fields of a status change that a notification's pairs are made of. */
export type NotifiedChange = Pick<StatusChange, 'agentStatus' | 'agentType' | 'eventSource' | 'agentId' | 'name'>;

/**
 * Encodes the pairs of a notification as application/x-www-form-urlencoded, by the WHATWG URL standard: contract §6.
 * The same string is the query (GET), the body (POST) and what is signed.
 */
export function encodePairs(change: NotifiedChange): string {
  return new URLSearchParams([
    ['agent_status', change.agentStatus],
    ['agent_type', change.agentType],
    ['event_source', change.eventSource],
    ['agent_id', String(change.agentId)],
    [nameFieldOf(change.agentType), change.name],
  ]).toString();
}

/** A request that is ready to be sent. */
export interface WebhookRequest {
  readonly method: NotificationMethod;
  /** Scheme, host and port. */
  readonly origin: string;
  /** Path and query, as they stand on the request line. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** One attempt of one delivery. */
export interface Notification {
  readonly method: NotificationMethod;
  /** As registered. */
  readonly url: string;
  /** {@link encodePairs} of the change. */
  readonly pairs: string;
  /** The same over every attempt: see {@link deliveryId}. */
  readonly id: string;
  /** From 1. */
  readonly attempt: number;
  /** The agent's. */
  readonly sequence: number;
  /** In milliseconds since the epoch. */
  readonly occurredAt: number;
  /** The time of the attempt, milliseconds since the epoch. */
  readonly at: number;
  /** W3C trace context of the attempt; absent: the change's own. */
  readonly traceparent?: string;
  /** The client's secrets, the current one first; at least one. */
  readonly keys: readonly WebhookSigningKey[];
  /** A test that somebody asked for: contract §3. */
  readonly test?: boolean;
}

/** A url, split for the request line. */
export interface Target {
  readonly origin: string;
  readonly path: string;
}

const USER_AGENT = `Rollcall/${VERSION}`;
const FORM = 'application/x-www-form-urlencoded';
/** What of a url may not stand on a request line, or is refused there by widespread servers: contract §6. */
const UNSAFE = /[^\x21-\x7e]|["<>^`{|}[\]\\]/gu;

/** Makes the `webhook-id`, which is also the delivery's id in the REST API: contract §3 and §6. */
export function deliveryId(changeId: string, agentEventId: number): string {
  return `${changeId}_${agentEventId}`;
}

/** What a {@link deliveryId} looks like. */
export const DELIVERY_ID_PATTERN = '^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_([0-9]{1,10})$';
const DELIVERY_ID = new RegExp(DELIVERY_ID_PATTERN);

/**
 * Reads a {@link deliveryId}, which is its change's and its agent event's.
 *
 * @returns undefined when the text is no delivery's id
 */
export function parseDeliveryId(text: string): { readonly changeId: string; readonly agentEventId: number } | undefined {
  const match = DELIVERY_ID.exec(text);
  const agentEventId = match ? parseId(match[2]!) : undefined;
  return agentEventId === undefined ? undefined : { changeId: match![1]!, agentEventId };
}

/** The id of the change that a {@link deliveryId} is of. */
function changeIdIn(id: string): string {
  return id.slice(0, id.lastIndexOf('_'));
}

/**
 * Cuts a url into origin and request target: contract §6. The fragment stays at home. Host and path are as a URL object
 * resolves them; the query keeps its bytes, where a URL object would rewrite some (`'` to `%27`). What is unsafe is
 * percent-encoded in both, and nothing else is.
 *
 * @throws TypeError when it is no absolute url
 */
export function targetOf(url: string): Target {
  const { origin, pathname } = new URL(url);
  const withoutFragment = url.split('#', 1)[0]!;
  const at = withoutFragment.indexOf('?');
  return { origin, path: encodeUnsafe(pathname + (at < 0 ? '' : withoutFragment.slice(at))) };
}

function encodeUnsafe(text: string): string {
  return text.toWellFormed().replace(UNSAFE, encodeURIComponent);
}

/**
 * Makes the request of one attempt: contract §6.
 *
 * @param target the url's, for who has cut it already
 */
export function buildRequest(notification: Notification, target: Target = targetOf(notification.url)): WebhookRequest {
  const { method, pairs } = notification;
  const headers = headersOf(notification);
  headers['webhook-sequence'] = String(notification.sequence);
  if (notification.test) headers['webhook-test'] = '1';
  if (method === 'GET') return { method, origin: target.origin, path: appendPairs(target.path, pairs), headers, body: undefined };
  headers['content-type'] = FORM;
  return { method, ...target, headers, body: pairs };
}

/**
 * Makes the request of one attempt to tell a notice: JSON by POST, signed like a notification.
 *
 * @param notice its `pairs` are the JSON
 */
export function buildNotice(notice: Omit<Notification, 'method' | 'sequence' | 'test'>, target: Target): WebhookRequest {
  const headers = headersOf(notice);
  headers['content-type'] = 'application/json';
  return { method: 'POST', ...target, headers, body: notice.pairs };
}

/** Builds the headers that every attempt carries. */
function headersOf({
  pairs,
  id,
  at,
  keys,
  attempt,
  occurredAt,
  traceparent = traceparentOf(changeIdIn(id)),
}: Omit<Notification, 'method' | 'sequence' | 'test'>): Record<string, string> {
  const timestamp = Math.floor(at / 1000);
  return {
    'user-agent': USER_AGENT,
    // What is kept of an answer is shown to people.
    'accept-encoding': 'identity',
    traceparent,
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signV1(keys, id, timestamp, pairs),
    'webhook-attempt': String(attempt),
    'webhook-event-time': new Date(occurredAt).toISOString(),
  };
}

function appendPairs(path: string, pairs: string): string {
  if (!path.includes('?')) return `${path}?${pairs}`;
  return path.endsWith('?') || path.endsWith('&') ? path + pairs : `${path}&${pairs}`;
}
