import { describe, expect, it } from 'vitest';
import { operationIdOf } from './operation-ids.js';
import type { Method } from './operations.js';

const BASE = '/api/ver1.0/client/{client_id}';
const EVENT = `${BASE}/agent/{type}/{agent_id}/event/{event_id}`;

describe('operationIdOf', () => {
  it.each<[method: Method, path: string, id: string]>([
    ['post', '/oauth/token', 'createToken'],
    ['get', '/api/ver1.0/user', 'getUser'],
    ['get', '/api/ver1.0/client/', 'listClients'],
    ['get', '/api/ver1.0/application/', 'listApplications'],
    ['post', '/api/ver1.0/application/{app_id}/secret', 'rotateApplicationSecret'],
    ['get', `${BASE}/limit/`, 'getLimit'],
    ['put', `${BASE}/limit/`, 'updateLimit'],
    ['get', `${BASE}/agent/{type}/`, 'listAgents'],
    ['get', `${BASE}/agent/`, 'searchAgents'],
    ['put', `${BASE}/agent/{type}/{agent_id}`, 'updateAgent'],
    ['get', `${BASE}/agent/{type}/{agent_id}/explain`, 'explainAgent'],
    ['post', `${BASE}/agent/{type}/{agent_id}/event/`, 'createAgentEvent'],
    ['delete', `${BASE}/agent/{type}/{agent_id}/event/`, 'deleteAgentEvents'],
    ['get', EVENT, 'getAgentEvent'],
    ['get', `${EVENT}/health`, 'getAgentEventHealth'],
    ['post', `${EVENT}/resume`, 'resumeAgentEvent'],
    ['post', `${EVENT}/replay`, 'replayAgentEvent'],
    ['post', `${EVENT}/replay/`, 'createAgentEventReplay'],
    ['post', `${EVENT}/replay/count`, 'countAgentEventReplay'],
    ['get', `${EVENT}/delivery/`, 'listAgentEventDeliveries'],
    ['post', `${EVENT}/delivery/{delivery_id}/redeliver`, 'redeliverAgentEventDelivery'],
    ['get', `${BASE}/agent_events/`, 'listClientAgentEvents'],
    ['get', `${BASE}/agent_events/{event_id}/delivery/{delivery_id}`, 'getClientAgentEventDelivery'],
    ['get', `${BASE}/delivery/`, 'listDeliveries'],
    ['get', `${BASE}/agent_status/`, 'listAgentStatuses'],
    ['get', `${BASE}/agent_status/history`, 'getAgentStatusHistory'],
    ['get', `${BASE}/agent_status/stream`, 'streamAgentStatus'],
    ['get', `${BASE}/series/changes`, 'getSeriesChanges'],
    ['post', '/telemetry', 'reportTelemetry'],
  ])('%s %s is %s', (method, path, id) => {
    expect(operationIdOf(method, path)).toBe(id);
  });
});
