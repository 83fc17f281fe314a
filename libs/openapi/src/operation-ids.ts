import type { Method } from './operations.js';

/** Operations whose name does not follow from their path. */
const NAMED: Readonly<Record<string, string>> = {
  'POST /oauth/token': 'createToken',
  'GET /.well-known/jwks.json': 'getSigningKeys',
  'GET /.well-known/oauth-authorization-server': 'getAuthorizationServer',
  'GET /console/config.json': 'getConsoleConfig',
  'POST /telemetry': 'reportTelemetry',
  'GET /api/ver1.0/client/{client_id}/agent/': 'searchAgents',
  'POST /api/ver1.0/client/{client_id}/webhook_secret/': 'rotateWebhookSecret',
  'POST /api/ver1.0/application/{app_id}/secret': 'rotateApplicationSecret',
  'GET /api/ver1.0/client/{client_id}/audit/': 'listAuditEntries',
  'GET /api/ver1.0/client/{client_id}/agent_event_health/': 'listAgentEventHealth',
  'GET /api/ver1.0/client/{client_id}/delivery/stream': 'streamDeliveries',
  'DELETE /api/ver1.0/client/{client_id}/agent/{type}/{agent_id}/event/{event_id}/replay/{replay_id}': 'cancelAgentEventReplay',
  'DELETE /api/ver1.0/client/{client_id}/agent_events/{event_id}/replay/{replay_id}': 'cancelClientAgentEventReplay',
  'GET /api/ver1.0/client/{client_id}/agent/{type}/{agent_id}/event/{event_id}/replay': 'listAgentEventReplays',
  'GET /api/ver1.0/client/{client_id}/agent_events/{event_id}/replay': 'listClientAgentEventReplays',
};

/** Segments that are called otherwise than they are written. */
const NOUNS: Readonly<Record<string, string>> = { agent_events: 'ClientAgentEvent' };

/** Of which a client has one, or which have no plural. */
const SINGULAR = /(Limit|Health)$/;

const ITEM_VERBS: Readonly<Record<Method, string>> = { get: 'get', post: 'create', put: 'update', delete: 'delete' };
const PARAMETER = /^\{\w+\}$/;

/**
 * Names an operation as one would by hand, such as `listAgentEventDeliveries`. Pure.
 *
 * @param path as it is documented: collections with a trailing slash
 */
export function operationIdOf(method: Method, path: string): string {
  const named = NAMED[`${method.toUpperCase()} ${path}`];
  if (named !== undefined) return named;
  const segments = path
    .replace(/^\/api\/ver1\.0\/(client\/\{client_id\}\/(?=.))?/, '')
    .split('/')
    .filter((segment) => segment !== '');
  const words = segments.filter((segment) => !PARAMETER.test(segment)).map(nounOf);
  const isAction = !path.endsWith('/') && !PARAMETER.test(segments.at(-1) ?? '');
  if (path.endsWith('/')) {
    const name = words.join('');
    if (SINGULAR.test(name)) return ITEM_VERBS[method] + name;
    return method === 'get'
      ? `list${pluralOf(name)}`
      : method === 'delete'
        ? `delete${pluralOf(name)}`
        : ITEM_VERBS[method] + name;
  }
  if (!isAction) return ITEM_VERBS[method] + words.join('');
  const last = words.at(-1) ?? '';
  const scope = words.slice(0, -1).join('');
  const isVerb = scope !== '' && (method === 'post' || /^(Stream|Explain)$/.test(last));
  return isVerb ? last.charAt(0).toLowerCase() + last.slice(1) + scope : ITEM_VERBS[method] + scope + last;
}

function nounOf(segment: string): string {
  return NOUNS[segment] ?? segment.split('_').map(capitalized).join('');
}

function capitalized(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function pluralOf(name: string): string {
  if (name.endsWith('y')) return `${name.slice(0, -1)}ies`;
  return name.endsWith('s') ? `${name}es` : `${name}s`;
}
