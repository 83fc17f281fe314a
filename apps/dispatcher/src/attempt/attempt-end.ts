import type { HopEnd } from '#tracing';
import { deliveryId, type AttemptResult, type WebhookRequest } from '#webhook';
import type { DueDelivery } from './delivery.js';

/** Returns what an attempt's span says of it: where it went, never the url, which may hold what only the receiver shall know. */
export function attemptEnd(delivery: DueDelivery, attempt: number, request: WebhookRequest, result: AttemptResult): HopEnd {
  const { changeId, clientId, agentEventId, sequence } = delivery;
  const { hostname, port, protocol } = new URL(request.origin);
  const isDelivered = 'status' in result && result.status >= 200 && result.status < 300;
  const error = isDelivered ? undefined : 'status' in result ? String(result.status) : result.kind;
  return {
    attributes: {
      'rollcall.delivery_id': deliveryId(changeId, agentEventId),
      'rollcall.client_id': clientId,
      'rollcall.agent_event_id': agentEventId,
      'rollcall.sequence': sequence,
      'http.request.method': request.method,
      'http.request.resend_count': attempt - 1,
      'server.address': hostname,
      'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
      ...('status' in result && { 'http.response.status_code': result.status }),
      ...(error !== undefined && { 'error.type': error }),
    },
    error,
  };
}
