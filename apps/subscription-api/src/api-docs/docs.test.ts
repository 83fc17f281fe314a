import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildRequest, deliveryId, encodePairs, generateSecret, signingKey } from '#webhook';
import { call } from '../../../../test/support/client.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

interface Operation {
  operationId: string;
  summary?: string;
  description?: string;
  tags: string[];
  responses: Record<string, unknown>;
  parameters?: { name: string; in: string; schema: object }[];
  requestBody?: { content: Record<string, unknown> };
  'x-required-access'?: string[];
}

interface Document {
  openapi: string;
  servers: { url: string }[];
  tags: { name: string; description?: string }[];
  paths: Record<string, Record<string, Operation>>;
  webhooks: Record<string, Record<string, Operation>>;
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
    expect(document.components.schemas['AgentEventCreate']).toMatchObject({
      type: 'object',
      required: ['url', 'event_type', 'method'],
      properties: { method: { enum: ['GET', 'POST'] }, event_type: { enum: ['agent-login', 'agent-logout'] } },
      example: { method: 'GET' },
    });
    for (const [path, item] of Object.entries(document.paths)) {
      const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      for (const operation of Object.values(item)) {
        const described = (operation.parameters ?? []).filter((one) => one.in === 'path').map(({ name }) => name);
        expect(described).toEqual(names);
        expect(Object.keys(operation.responses).some((status) => status.startsWith('2'))).toBe(true);
      }
    }
  });

  it('makes clients that read well', () => {
    const operations = Object.values(document.paths).flatMap((item) => Object.values(item));
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => !/^[a-z]+([A-Z][a-z]+)+$/.test(id))).toEqual([]);
    expect(ids).toEqual(expect.arrayContaining(['createToken', 'createAgentEvent', 'listAgentEventDeliveries', 'updateLimit']));
    // Go's constructors are called New….
    expect(Object.keys(document.components.schemas).filter((name) => /^New[A-Z]/.test(name))).toEqual([]);
    for (const { operationId, summary, description, tags, parameters = [] } of operations) {
      expect([operationId, summary, description, tags]).toEqual([
        operationId,
        expect.any(String),
        expect.any(String),
        [expect.any(String)],
      ]);
      for (const one of parameters)
        if (one.in === 'path')
          expect([operationId, one.schema]).toEqual([
            operationId,
            expect.not.objectContaining({ default: expect.anything() as unknown }),
          ]);
    }
    const tags = new Map(document.tags.map(({ name, description }) => [name, description]));
    expect([...tags.values()].every((description) => description)).toBe(true);
    expect(operations.flatMap((operation) => operation.tags).filter((tag) => !tags.has(tag))).toEqual([]);
  });

  it('says who may call, where, and that tokens are asked for in a form', () => {
    expect(document.servers).toEqual([{ url: '/', description: expect.any(String) as string }]);
    expect(Object.keys(document.components.securitySchemes)).toEqual(['application']);
    expect(Object.keys(document.paths['/oauth/token']!['post']!.requestBody!.content)).toEqual([
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'application/json',
    ]);
    const secrets = document.paths['/api/ver1.0/client/{client_id}/webhook_secret/']!['get']!;
    expect([secrets['x-required-access'], secrets.description]).toEqual([
      ['all', 'platform'],
      expect.stringContaining('Needs an application of access `all` or `platform`.'),
    ]);
  });

  it('is reached at PUBLIC_URL where that is set', async () => {
    const named = await ApiFixture.startService(api.database.url, { PUBLIC_URL: 'https://rollcall.example.com/base' });
    try {
      const { servers, components } = (await call(`${named.url}/api/openapi.json`)).json as Document;
      expect(servers).toMatchObject([{ url: 'https://rollcall.example.com/base' }]);
      expect(JSON.stringify(components.securitySchemes)).toContain('"https://rollcall.example.com/base/oauth/token"');
    } finally {
      await named.stop();
    }
  });

  it('describes what the third party gets, as it is sent', () => {
    expect(Object.keys(document.webhooks)).toEqual(['agent-login', 'agent-logout', 'notice']);
    const sent = buildRequest({
      method: 'GET',
      url: 'https://example.com/',
      pairs: encodePairs({
        agentStatus: 'available',
        agentType: 'local',
        eventSource: 'api',
        agentId: 136,
        name: '000*094@ringme.ru',
      }),
      id: deliveryId('019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69', 7),
      attempt: 1,
      sequence: 1,
      occurredAt: Date.now(),
      at: Date.now(),
      keys: [signingKey(generateSecret())],
      test: true,
    });
    const { get, post } = document.webhooks['agent-login']!;
    const named = (place: string) => get!.parameters!.filter((one) => one.in === place).map(({ name }) => name);
    // Of the query, a local agent's; a remote one's ends with agent_number.
    expect([...new URL(sent.path, sent.origin).searchParams.keys()]).toEqual(named('query').slice(0, -1));
    const known = ['user-agent', 'accept-encoding'];
    expect(named('header').toSorted()).toEqual(
      Object.keys(sent.headers)
        .filter((name) => !known.includes(name))
        .toSorted(),
    );
    expect(Object.keys(get!.responses)).toEqual(['410', '429', '2XX', 'default']);
    expect(Object.keys(post!.requestBody!.content)).toEqual(['application/x-www-form-urlencoded']);
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
