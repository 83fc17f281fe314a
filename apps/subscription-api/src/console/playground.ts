import { signV1, type WebhookSigningKey } from '#webhook';

/** What the console's playground stands on: the parts of the all-in-one that a browser cannot reach. */
export interface Playground {
  /** Base URL of presence. */
  readonly presence: string;
  /** Base URL of the demo receiver. */
  readonly receiver: string;
  /** `app_id` of an application with access `platform`, in whose name telemetry is reported. */
  readonly reporter: string;
}

/** Token of the playground; undefined where there is none. */
export const PLAYGROUND = Symbol('playground');

/** What the demo receiver remembers of a request, as far as it is looked at here. */
export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/**
 * Filters received requests to those that a client may see, since all clients share the receiver: those signed with its secrets,
 * and unsigned ones. Pure.
 *
 * @returns each with whether its signature was checked and found good
 */
export function visibleTo<R extends Received>(
  keys: readonly WebhookSigningKey[],
  requests: readonly R[],
): (R & { signed: boolean })[] {
  return requests
    .filter((request) => request.headers['webhook-id'] === undefined || isSignedWith(keys, request))
    .map((request) => ({ ...request, signed: request.headers['webhook-id'] !== undefined }));
}

function isSignedWith(keys: readonly WebhookSigningKey[], request: Received): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature } = request.headers;
  if (typeof id !== 'string' || typeof signature !== 'string' || typeof timestamp !== 'string') return false;
  const pairs = request.method === 'POST' ? request.body : pairsOfQuery(request.url);
  const sent = new Set(signature.split(' '));
  return keys.some((key) => sent.has(signV1([key], id, Number(timestamp), pairs)));
}

/** Extracts the pairs, which follow the url's own query: contract §6. */
function pairsOfQuery(url: string): string {
  return url.slice(Math.max(0, url.lastIndexOf('agent_status=')));
}
