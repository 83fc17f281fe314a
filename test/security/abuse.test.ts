import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AllInOne } from '../support/all-in-one.js';
import { call, fetchToken, RestClient } from '../support/client.js';
import { eventually } from '../support/poll.js';

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'];
/** A stream has no end, and what nobody finished is cut off here; only silence longer than this is a hang. */
const HANG_MS = 10_000;
/** Of memory that is still in use after a collection, over a thousand requests whose caches are warm, in bytes. */
const MAX_GROWTH = 20 * 1024 * 1024;

describe('what strangers send', () => {
  let system: AllInOne;
  let tenantToken: string;
  let platformToken: string;
  let tenant: RestClient;

  beforeAll(async () => {
    const NODE_OPTIONS = `--import=${new URL('../support/heap-probe.mjs', import.meta.url).href}`;
    system = await AllInOne.start({ RATE_LIMIT: 'off', ALLOW_DESTINATIONS: '127.0.0.1', NODE_OPTIONS });
    tenantToken = await fetchToken(system.urls, 'demo', 'demo-secret');
    platformToken = await fetchToken(system.urls, 'platform', 'platform-secret');
    tenant = await RestClient.create(system.urls, 'demo', 'demo-secret');
  });

  afterAll(() => system.remove());

  const probes = (): number[] => [...system.process.output.matchAll(/^heap-probe: (\d+)$/gm)].map(([, bytes]) => Number(bytes));

  /** Bytes that the service still uses after a collection. */
  async function usedMemory(): Promise<number> {
    const before = probes().length;
    system.process.signal('SIGUSR2');
    await eventually('what the service uses', () => probes().length > before);
    return probes().at(-1)!;
  }

  /** Sends exactly these bytes of path and headers, which fetch would not; resolves with the status as the headers come. */
  function send(base: string, method: string, path: string, headers: Record<string, string>, body: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(base);
      const sending = httpRequest({ hostname, port, method, path, headers, timeout: HANG_MS, agent: false }, (response) => {
        resolve(response.statusCode ?? 0);
        response.destroy();
      });
      sending.on('timeout', () => sending.destroy(new Error(`${method} ${path}: no answer`))).on('error', reject);
      sending.end(body);
    });
  }

  const number = fc.constantFrom(
    '0',
    '-1',
    '1',
    '136',
    '4294967295',
    '4294967296',
    '9'.repeat(30),
    '1e309',
    '0x10',
    '1.5',
    'NaN',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom(
      '',
      '@me',
      'local',
      'remote',
      '12',
      '__proto__',
      'constructor',
      '..',
      '\0',
      '\ud800',
      "' or 1=1--",
      'x'.repeat(5000),
    ),
  );
  const segment = fc.oneof(
    number,
    fc.constantFrom('@me', '12', '13', 'local', 'remote', '%00', '%ff', '%2e%2e', '%', '__proto__', 'null'),
    text.map((value) => encodeURIComponent(value.toWellFormed())),
    fc.uuid().map((id) => `${id}_1`),
  );
  const field = fc.constantFrom(
    ...['url', 'event_type', 'method', 'client_id', 'agent_type', 'agent_id', 'agent_status', 'event_source', 'occurred_at'],
    ...[
      'extension_name',
      'agent_number',
      'since',
      'until',
      '__proto__',
      'constructor',
      'toString',
      'grant_type',
      'client_secret',
    ],
  );
  const likely = fc.constantFrom<unknown>(
    ...[
      'GET',
      'agent-login',
      'http://127.0.0.1:1/',
      '12',
      136,
      'local',
      'available',
      'api',
      '2026-11-22T10:00:00Z',
      'client_credentials',
    ],
    ...[null, -0, 2 ** 53, 1e308, '9'.repeat(400), '275760-09-13T00:00:00Z', '0000-01-01T00:00:00Z', '\0', '\ud800'],
  );
  const value = fc.oneof(likely, text, fc.jsonValue({ maxDepth: 3 }));
  const object = fc.array(fc.tuple(field, value), { maxLength: 10 }).map((fields) => {
    // By hand, since an object would swallow __proto__ and repeated keys.
    return `{${fields.map(([key, of]) => `${JSON.stringify(key)}:${JSON.stringify(of)}`).join(',')}}`;
  });
  const body = fc.oneof(
    { weight: 6, arbitrary: object },
    { weight: 2, arbitrary: fc.array(object, { maxLength: 5 }).map((items) => `[${items.join(',')}]`) },
    { weight: 1, arbitrary: fc.json() },
    { weight: 1, arbitrary: text },
    fc.constantFrom(
      '',
      '['.repeat(100_000),
      '{"a":'.repeat(50_000),
      `{"agent_id":${'9'.repeat(10_000)}}`,
      '"',
      '\ufeff{}',
      'null',
      'x'.repeat(2_000_000),
    ),
  );
  const type = fc.constantFrom(
    ...['application/json', 'application/json', 'application/json', 'application/json; charset=utf-16', 'text/xml', 'x', ''],
    ...['application/x-www-form-urlencoded', 'multipart/form-data; boundary=b', 'multipart/form-data'],
  );
  const query = fc
    .array(fc.tuple(fc.oneof(field, fc.constantFrom('page', 'per_page', 'after', 'at', 'agent_id')), fc.oneof(number, segment)), {
      maxLength: 3,
    })
    .map((pairs) => (pairs.length === 0 ? '' : `?${pairs.map(([key, of]) => `${key}=${of}`).join('&')}`));
  const header = fc.constantFrom<Record<string, string>>(
    ...[
      {},
      {},
      {},
      { 'last-event-id': '9'.repeat(50) },
      { 'last-event-id': 'x' },
      { accept: '*/*;q=x' },
      { traceparent: '00-x' },
    ],
    ...[
      { expect: 'nonsense' },
      { 'x-http-method-override': 'DELETE' },
      { 'x-forwarded-for': "' or 1=1" },
      { 'content-encoding': 'gzip' },
    ],
  );

  it('is answered without a 5xx on every route, and the service stays ready and does not grow', async () => {
    const { paths } = (await call(`${system.urls.subscriptionApi}/api/openapi.json`)).json as OpenApi;
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((of) => [path, of.toUpperCase()] as const),
    );
    expect(routes.length).toBeGreaterThan(30);
    const { subscriptionApi, presence } = system.urls;
    const targets = [
      ...routes.map(([path, method]) => [subscriptionApi, path, method] as const),
      ...Array.from({ length: 12 }, () => [presence, '/telemetry', 'POST'] as const),
    ];
    const authorization = fc.constantFrom(
      ...Array.from({ length: 5 }, () => `Bearer ${platformToken}`),
      ...Array.from({ length: 3 }, () => `Bearer ${tenantToken}`),
      ...['', 'Bearer ', 'Bearer a.b.c', 'Basic %%%', 'Basic OjpA', `Bearer ${tenantToken}x`],
    );
    const statuses = new Map<number, number>();
    const attempt = fc.record({
      target: fc.constantFrom(...targets),
      other: fc.option(fc.constantFrom(...METHODS), { freq: 5 }),
      segments: fc.array(segment, { minLength: 4, maxLength: 4 }),
      sane: fc.boolean(),
      query,
      authorization,
      type,
      header,
      body,
    });
    const answered = fc.asyncProperty(fc.array(attempt, { minLength: 10, maxLength: 10 }), async (batch) => {
      const got = await Promise.all(
        batch.map(async ({ target: [base, template, method], other, segments, sane, ...rest }) => {
          let nth = 0;
          const usual: Record<string, string> = { client_id: '12', type: 'local', agent_id: '136', event_id: '1' };
          const path = template.replace(/\{(\w+)\}/g, (_all, name: string) => {
            const garbage = segments[nth++ % segments.length]!;
            return sane ? (usual[name] ?? garbage) : garbage;
          });
          const headers: Record<string, string> = { ...rest.header };
          if (rest.authorization !== '') headers['authorization'] = rest.authorization;
          if (rest.type !== '') headers['content-type'] = rest.type;
          const used = other ?? method;
          const bare = ['GET', 'HEAD', 'OPTIONS'].includes(used);
          try {
            return await send(base, used, path + rest.query, headers, bare ? '' : rest.body);
          } catch (error) {
            // An answer given before a large body was read ends the connection: a refusal, as long as somebody still listens.
            const { code } = error as NodeJS.ErrnoException;
            if (code === 'EPIPE' || code === 'ECONNRESET') return 0;
            throw error;
          }
        }),
      );
      for (const status of got) statuses.set(status, (statuses.get(status) ?? 0) + 1);
      expect(got.filter((status) => status >= 500)).toEqual([]);
    });
    await fc.assert(answered, { numRuns: 100, endOnFailure: true });
    const usedOnce = await usedMemory();
    await fc.assert(answered, { numRuns: 100, endOnFailure: true });
    expect((await usedMemory()) - usedOnce).toBeLessThan(MAX_GROWTH);
    // The garbage reached the handlers, and was not all refused at the door.
    expect(statuses.get(200) ?? 0).toBeGreaterThan(0);
    expect(statuses.get(400) ?? 0).toBeGreaterThan(0);
    for (const base of [subscriptionApi, presence]) expect((await call(`${base}/health/ready`)).status).toBe(200);
    expect(system.process.running).toBe(true);
  }, 120_000);

  it.each([
    ['http://127.0.0.2/'],
    ['http://10.0.0.1/'],
    ['http://169.254.169.254/latest/meta-data/'],
    ['http://100.64.0.1/'],
    ['http://2130706434/'],
    ['http://0x7f.2/'],
    ['http://0177.0.0.2/'],
    ['http://[::1]/'],
    ['http://[::ffff:10.0.0.1]/'],
    ['http://[64:ff9b::a00:1]/'],
    ['http://[2002:a00:1::]/'],
    ['http://user:pass@example.com/'],
    ['ftp://example.com/'],
    ['file:///etc/passwd'],
    ['javascript:alert(1)'],
    ['gopher://example.com/'],
    ['http://example.com:0/'],
    ['http://example.com/\r\nx: y'],
  ])('is refused at registration: %j', async (url) => {
    const answer = await tenant.api('POST', '/client/@me/agent/local/136/event/', {
      url,
      method: 'GET',
      event_type: 'agent-login',
    });
    expect([answer.status, answer.json]).toEqual([
      400,
      expect.objectContaining({ status: 'validation_error', errors: { url: [expect.any(String) as string] } }),
    ]);
  });

  it('is cut off when its headers are huge', async () => {
    const { hostname, port } = new URL(system.urls.subscriptionApi);
    const socket = connect(Number(port), hostname).on('error', () => undefined);
    socket.write(`GET /api/ver1.0/user HTTP/1.1\r\nHost: x\r\nX-Huge: ${'x'.repeat(100_000)}\r\n\r\n`);
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
    await once(socket, 'close');
    expect(answer).toMatch(/^HTTP\/1\.1 431 [^]*"status":"validation_error"/);
  });

  it.each(['/api/docs', '/api/openapi.json', '/api/ver1.0/user', '/nowhere'])(
    'is answered with security headers at %s',
    async (path) => {
      const { headers } = await call(system.urls.subscriptionApi + path);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      const policy = headers.get('content-security-policy');
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).toMatch(/^default-src '(none|self)'/);
      expect(policy).not.toMatch(/script-src|unsafe-eval/);
      expect(headers.get('x-powered-by')).toBeNull();
    },
  );
});
