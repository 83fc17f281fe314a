import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiFixture } from '../../../../test/support/subscription-api.js';
import { call } from '../../../../test/support/client.js';

interface Document {
  openapi: string;
  paths: Record<
    string,
    Record<string, { operationId: string; responses: Record<string, unknown>; parameters?: { name: string; in: string }[] }>
  >;
  components: { schemas: Record<string, unknown>; securitySchemes: Record<string, unknown> };
}

describe('the API browser', () => {
  let api: ApiFixture;
  let document: Document;

  beforeAll(async () => {
    api = await ApiFixture.start();
    document = (await call(`${api.url}/api/openapi.json`)).json as Document;
  });

  afterAll(() => api.stop());

  it('is described in OpenAPI 3.1 without loose ends', () => {
    expect(document.openapi).toMatch(/^3\.1\./);
    const text = JSON.stringify(document);
    for (const [, name] of text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g))
      expect(document.components.schemas).toHaveProperty([name!]);
    expect(text).not.toMatch(/"\$ref":"#\/\$defs|"nullable"|"\$schema"/);
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      expect([name, Object.keys(schema as object)]).toEqual([name, expect.not.arrayContaining(['$ref', 'id'])]);
    }
    expect(document.components.schemas['NewAgentEvent']).toMatchObject({
      type: 'object',
      required: ['url', 'event_type', 'method'],
      properties: { method: { enum: ['GET', 'POST'] }, event_type: { enum: ['agent-login', 'agent-logout'] } },
      example: { method: 'GET' },
    });
    const ids = Object.values(document.paths).flatMap((item) => Object.values(item).map(({ operationId }) => operationId));
    expect(new Set(ids).size).toBe(ids.length);
    for (const [path, item] of Object.entries(document.paths)) {
      const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      for (const operation of Object.values(item)) {
        const described = (operation.parameters ?? []).filter((one) => one.in === 'path').map(({ name }) => name);
        expect(described).toEqual(names);
        expect(Object.keys(operation.responses).some((status) => status.startsWith('2'))).toBe(true);
      }
    }
  });

  it('knows every call of the contract', () => {
    const base = '/api/ver1.0/client/{client_id}';
    const calls = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(calls).toEqual(
      expect.arrayContaining([
        'POST /oauth/token',
        'GET /.well-known/jwks.json',
        'GET /api/ver1.0/user',
        `POST ${base}/agent/{type}/{agent_id}/event/`,
        `GET ${base}/agent/{type}/{agent_id}/event/`,
        `DELETE ${base}/agent/{type}/{agent_id}/event/`,
        `GET ${base}/agent/{type}/{agent_id}/event/{event_id}`,
        `PUT ${base}/agent/{type}/{agent_id}/event/{event_id}`,
        `DELETE ${base}/agent/{type}/{agent_id}/event/{event_id}`,
        'POST /api/ver1.0/application/',
        'GET /api/ver1.0/application/',
        'GET /api/ver1.0/application/{app_id}',
        'DELETE /api/ver1.0/application/{app_id}',
        'POST /api/ver1.0/application/{app_id}/secret',
        `GET ${base}/limit/`,
        `PUT ${base}/limit/`,
        `GET ${base}/agent/{type}/`,
        `PUT ${base}/agent/{type}/{agent_id}`,
        `POST ${base}/agent_events/`,
        `GET ${base}/webhook_secret/`,
        `GET ${base}/agent_status/`,
        `GET ${base}/agent_status/stream`,
        `GET ${base}/agent_status/history`,
        `GET ${base}/agent/{type}/{agent_id}/explain`,
        ...[
          'agent/',
          'agent_status/summary',
          'agent_event_health/',
          'delivery/',
          'delivery/stream',
          'delivery/{delivery_id}',
        ].map((path) => `GET ${base}/${path}`),
        ...['origin/', 'series/changes', 'series/deliveries'].map((path) => `GET ${base}/${path}`),
        'GET /api/ver1.0/client/',
        ...['', '/health', '/delivery/', '/delivery/{delivery_id}'].map(
          (path) => `GET ${base}/agent/{type}/{agent_id}/event/{event_id}${path}`,
        ),
        ...['/resume', '/test', '/replay', '/delivery/{delivery_id}/redeliver'].map(
          (path) => `POST ${base}/agent/{type}/{agent_id}/event/{event_id}${path}`,
        ),
      ]),
    );
  });

  it.each(['/api/docs', '/api/docs/'])('is a page at %s whose files all come from here', async (path) => {
    const page = await call(`${api.url}${path}`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')]);
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) {
      const url = new URL(file, `${api.url}${path}`);
      expect(url.origin).toBe(api.url);
      const answer = await call(url.toString());
      expect([file, answer.status]).toEqual([file, 200]);
    }
    expect(page.text).not.toMatch(/<script>/);
  });
});
