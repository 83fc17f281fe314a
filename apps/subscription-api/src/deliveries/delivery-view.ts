import { encodePairs, buildRequest, type WebhookSigningKey } from '#webhook';
import type { AttemptRow, FoundDelivery } from './delivery-facts.repository.js';
import type { ShownDelivery } from './delivery-list.js';
import type { WaitingFor } from './delivery-state.js';
import type { DeliveryDetailsView, ListedDeliveryView, TriggeredAttemptView } from './delivery-view.schema.js';
import type { AttemptView } from './delivery.schema.js';

/** How much of a signature is shown: enough to compare, not to send. */
const SIGNATURE_SHOWN = 7;

/** Shows a delivery as lists do: contract §3. Pure. */
export function listedViewOf({
  id,
  event,
  change,
  agentEventId,
  attemptsCount,
  lastAttempt,
  state,
}: ShownDelivery): ListedDeliveryView {
  const { status, resending, waitingFor, nextAttemptAt, expiresAt } = state;
  return {
    id,
    agent_event: event
      ? { id: event.id, url: event.url, method: event.method, event_type: event.eventType, all_agents: event.isForAll }
      : { id: agentEventId, url: null, method: null, event_type: null, all_agents: null, deleted: true },
    agent: change ? { id: change.agentId, agent_type: change.agentType, name: change.name } : null,
    change: change
      ? {
          id: change.id,
          agent_status: change.agentStatus,
          event_source: change.eventSource,
          sequence: change.sequence,
          occurred_at: new Date(change.occurredAt).toISOString(),
          changed_at: new Date(change.changedAt).toISOString(),
        }
      : null,
    status,
    ...(resending && { resending: true as const }),
    waiting_for: waitingViewOf(waitingFor),
    next_attempt_at: nextAttemptAt?.toISOString() ?? null,
    expires_at: expiresAt?.toISOString() ?? null,
    attempts_count: attemptsCount,
    last_attempt: lastAttempt ? triggeredAttemptViewOf(lastAttempt) : null,
  };
}

/** Shows one attempt with what it was made for. */
export function triggeredAttemptViewOf(row: AttemptRow): TriggeredAttemptView {
  const { attempt, ...rest } = attemptViewOf(row);
  return { attempt, trigger: row.trigger ?? (attempt === 1 ? 'first' : 'retry'), ...rest };
}

/** Shows one attempt. */
export function attemptViewOf(row: AttemptRow): AttemptView {
  return {
    attempt: row.attempt,
    at: row.attempted_at.toISOString(),
    latency_ms: row.latency_ms,
    outcome: row.outcome,
    http_status: row.http_status,
    error: row.error,
    response: row.response,
  };
}

/**
 * Rebuilds the request of a delivery's last attempt, or of its first one to come, with the code that sends it.
 *
 * @param keys the client's; those of then may be gone
 */
export function requestViewOf(
  { id, event, change, lastAttempt }: FoundDelivery,
  keys: readonly WebhookSigningKey[],
): DeliveryDetailsView['request'] {
  if (!event || !change) return null;
  const pairs = encodePairs(change);
  const { occurredAt, sequence } = change;
  const { method, url } = event;
  const at = (lastAttempt?.attempted_at ?? new Date()).getTime();
  const attempt = lastAttempt?.attempt ?? 1;
  const { origin, path, body, headers } = buildRequest({ method, url, pairs, id, attempt, sequence, occurredAt, at, keys });
  const signature = headers['webhook-signature']!;
  return {
    method,
    url: origin + path,
    body: body ?? null,
    pairs: [...new URLSearchParams(pairs)],
    headers: { ...headers, 'webhook-signature': `${signature.slice(0, SIGNATURE_SHOWN)}…` },
    changed_since: lastAttempt !== undefined && event.updatedAt > lastAttempt.attempted_at,
  };
}

function waitingViewOf(waitingFor: WaitingFor | undefined): ListedDeliveryView['waiting_for'] {
  if (!waitingFor) return null;
  switch (waitingFor.reason) {
    case 'earlier':
      return { reason: 'earlier', delivery_id: waitingFor.deliveryId };
    case 'due':
      return { reason: 'due', since: waitingFor.since?.toISOString() ?? null };
    case 'origin':
    case 'suspended':
      return { reason: waitingFor.reason, since: waitingFor.since.toISOString() };
  }
}
