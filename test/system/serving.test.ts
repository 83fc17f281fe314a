import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SERVICE_ENVIRONMENT } from '../../tools/services.js';
import { call } from '../support/client.js';
import { eventually } from '../support/poll.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { freePorts, ServiceProcess, type Environment } from '../support/process.js';

const PORT_SETTING = {
  'subscription-api': 'SUBSCRIPTION_API_PORT',
  presence: 'PRESENCE_PORT',
  dispatcher: 'DISPATCHER_PORT',
} as const;
type Service = keyof typeof PORT_SETTING;
const SERVICES = Object.keys(PORT_SETTING) as Service[];
/** What nobody listens on; without a broker subscription-api is ready, and the others wait. */
const NOWHERE = '127.0.0.1:1';

let database: TestDatabase;
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  for (let clean = cleanups.pop(); clean; clean = cleanups.pop()) await clean();
});
afterAll(() => database.drop());

interface Started {
  readonly url: string;
  readonly process: ServiceProcess;
}

async function start(service: Service, environment: Environment = {}): Promise<Started> {
  const [port] = await freePorts(1);
  const process = ServiceProcess.start(service, {
    ...SERVICE_ENVIRONMENT,
    DATABASE_URL: database.url,
    KAFKA_BROKERS: NOWHERE,
    HOST: '127.0.0.1',
    LOG_LEVEL: 'info',
    [PORT_SETTING[service]]: String(port),
    ...environment,
  });
  cleanups.push(() => process.stop('SIGKILL'));
  return { url: `http://127.0.0.1:${port}`, process };
}

const statusOf = async (url: string): Promise<number | undefined> => {
  try {
    return (await call(url, { headers: { connection: 'close' } })).status;
  } catch {
    return undefined; // refused
  }
};

describe('a service whose database is not there yet', { timeout: 60_000 }, () => {
  it('lives, says what it waits for, and serves once it is there, never refusing in between', async () => {
    const target = new URL(database.url);
    const [port] = await freePorts(1);
    const later = new URL(database.url);
    later.host = `127.0.0.1:${port}`;
    const { url } = await start('dispatcher', { DATABASE_URL: later.toString() });
    await eventually('live', async () => (await statusOf(`${url}/health/live`)) === 200);
    const seen = new Set<number | undefined>();
    let watching = true;
    const watch = (async () => {
      while (watching) seen.add(await statusOf(`${url}/health/live`));
    })();
    await eventually('its words', async () => {
      const { status, json } = await call(`${url}/health/ready`);
      const { checks } = json as { checks: Record<string, string> };
      expect([status, json]).toMatchObject([503, { status: 'not_ready' }]);
      return /ECONNREFUSED.*: nothing listens there \(yet\): check host and port in DATABASE_URL/.test(
        checks['postgresql'] ?? '',
      );
    });
    const early = await call(`${url}/oauth/token`, { method: 'POST' });
    expect([early.status, early.headers.get('retry-after'), early.json]).toEqual([
      503,
      '1',
      { message: 'The service is starting', status: 'unavailable' },
    ]);
    expect(await statusOf(`${url}/metrics`)).toBe(200);

    const gate = createServer((inner) => {
      const outer = connect(Number(target.port), target.hostname);
      for (const [one, other] of [
        [inner, outer],
        [outer, inner],
      ] as const)
        one.on('error', () => other.destroy()).pipe(other);
    }).listen(port, '127.0.0.1');
    await once(gate, 'listening');
    cleanups.push(() => closed(gate));
    await eventually('the database', async () => {
      const { checks } = (await call(`${url}/health/ready`)).json as { checks: Record<string, string> };
      return checks['postgresql'] === 'ok' && checks['service'] === undefined;
    });
    expect(await statusOf(`${url}/nothing`)).toBe(404);
    watching = false;
    await watch;
    expect([...seen]).toEqual([200]);
    for (let clean = cleanups.shift(); clean && cleanups.length > 0; clean = cleanups.shift()) await clean(); // the service before its gate
  });

  function closed(server: Server): Promise<unknown> {
    return once(server.close(), 'close');
  }
});

describe('SHUTDOWN_DELAY', { timeout: 60_000 }, () => {
  const DELAY_MS = 2500;

  it('has a service not ready at once and answer for so long, each time for the last time on that connection', async () => {
    const { url, process } = await start('subscription-api', { SHUTDOWN_DELAY: `${DELAY_MS}ms` });
    await eventually('the application', async () => (await statusOf(`${url}/nothing`)) === 404);
    await eventually('started', () => process.output.includes('service.started'));
    const kept = await call(`${url}/health/live`);
    expect(kept.headers.get('connection')).not.toBe('close');
    const toldAt = performance.now();
    process.signal('SIGTERM');
    await eventually('its word', async () => {
      const { status, json, headers } = await call(`${url}/health/ready`);
      return status === 503 && JSON.stringify(json).includes('"service":"stopping"') && headers.get('connection') === 'close';
    });
    let answered = 0;
    let lastAt = 0;
    while (process.running) {
      const status = await statusOf(`${url}/nothing`);
      if (status === undefined) break;
      expect(status).toBe(404);
      lastAt = performance.now();
      answered += 1;
    }
    expect(answered).toBeGreaterThan(2);
    expect(lastAt - toldAt).toBeGreaterThan(DELAY_MS * 0.8);
    expect(await process.exited()).toBe(0);
    expect(process.output).not.toContain('stop_timed_out');
  });

  it('is not waited for after Ctrl-C', async () => {
    const { url, process } = await start('subscription-api', { SHUTDOWN_DELAY: '10m' });
    await process.ready(url);
    await eventually('started', () => process.output.includes('service.started'));
    expect(await process.stop('SIGINT')).toBe(0);
  });

  it('is cut short by Ctrl-C', async () => {
    const { url, process } = await start('subscription-api', { SHUTDOWN_DELAY: '10m' });
    await process.ready(url);
    await eventually('started', () => process.output.includes('service.started'));
    process.signal('SIGTERM');
    await eventually('not ready', async () => (await statusOf(`${url}/health/ready`)) === 503);
    expect(await process.stop('SIGINT')).toBe(0);
  });
});

describe('OPERATIONS_PORT', { timeout: 60_000 }, () => {
  it('has health and metrics for itself', async () => {
    const [port] = await freePorts(1);
    const { url } = await start('presence', { OPERATIONS_PORT: String(port) });
    const operations = `http://127.0.0.1:${port}`;
    await eventually('the application', async () => (await statusOf(`${url}/nothing`)) === 404, 40_000);
    for (const path of ['/health/live', '/health/ready', '/metrics']) expect(await statusOf(`${url}${path}`)).toBe(404);
    expect((await call(`${operations}/health/live`)).json).toEqual({ status: 'ok' });
    expect((await call(`${operations}/health/ready`)).json).toMatchObject({
      status: 'not_ready',
      checks: { kafka: expect.any(String) as string },
    });
    const { text } = await call(`${operations}/metrics`);
    expect(text).toContain('http_requests_total{method="GET",route="unknown",status="4xx"}');
    for (const path of ['/', '/api/ver1.0/user', '/oauth/token']) expect(await statusOf(`${operations}${path}`)).toBe(404);
  });

  it('that is the service’s own is refused in words', async () => {
    const { url, process } = await start('presence', {});
    await process.stop('SIGKILL');
    const { process: second } = await start('presence', { PRESENCE_PORT: new URL(url).port, OPERATIONS_PORT: new URL(url).port });
    expect(await second.exited()).toBe(1);
    expect(second.output).toMatch(/Port \d+ is taken: .*set PRESENCE_PORT to another port/);
  });

  it('is one for all services of the all-in-one', async () => {
    const ports = await freePorts(5);
    const dataDir = await mkdtemp(join(tmpdir(), 'rollcall-operations-'));
    cleanups.push(() => rm(dataDir, { recursive: true, force: true }));
    const process = ServiceProcess.start('all-in-one', {
      DATABASE_URL: database.url,
      DATA_DIR: dataDir,
      SUBSCRIPTION_API_PORT: String(ports[0]),
      PRESENCE_PORT: String(ports[1]),
      DISPATCHER_PORT: String(ports[2]),
      RECEIVER_PORT: String(ports[3]),
      OPERATIONS_PORT: String(ports[4]),
    });
    cleanups.push(() => process.stop());
    const operations = `http://127.0.0.1:${ports[4]}`;
    await process.ready(operations);
    expect((await call(`${operations}/health/ready`)).json).toEqual({
      status: 'ready',
      checks: { postgresql: 'ok', kafka: 'ok' },
    });
    for (const port of ports.slice(0, 3)) expect(await statusOf(`http://127.0.0.1:${port}/health/live`)).toBe(404);
    const { text } = await call(`${operations}/metrics`);
    for (const service of SERVICES)
      expect(text).toContain(`rollcall_dependency_up{dependency="postgresql",service="${service}"} 1`);
    expect(text.match(/^# TYPE process_resident_memory_bytes /gm)).toHaveLength(1);
    await eventually(
      'the address in the terminal',
      () => process.output.includes(`Dispatcher      ${operations}/health/ready`),
      60_000,
    );
  });
});

describe('what a proxy says', { timeout: 60_000 }, () => {
  const forwarded = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'rollcall.example.com' };

  it.each([
    ['is believed of one that is trusted', '10.0.0.0/8, 127.0.0.0/8', 'https://rollcall.example.com'],
    ['is not believed of another', '10.0.0.0/8', undefined],
    ['is not believed without TRUST_PROXY', '', undefined],
  ])('%s', async (_what, trusted, base) => {
    const { url, process } = await start('subscription-api', { TRUST_PROXY: trusted });
    await process.ready(url);
    const { json } = await call(`${url}/.well-known/oauth-authorization-server`, { headers: forwarded });
    expect((json as { token_endpoint: string }).token_endpoint).toBe(`${base ?? url}/oauth/token`);
  });
});

describe('CORS_ORIGINS', { timeout: 60_000 }, () => {
  const page = 'https://app.example.com';
  const preflight = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' };

  it('lets the pages named call, and read refusals too', async () => {
    const { url, process } = await start('subscription-api', { CORS_ORIGINS: `${page}, http://localhost:8080` });
    await process.ready(url);
    const at = `${url}/api/ver1.0/client/@me/agent/local/136/event/`;
    const asked = await call(at, { method: 'OPTIONS', headers: { origin: page, ...preflight } });
    expect([asked.status, Object.fromEntries(asked.headers)]).toMatchObject([
      204,
      {
        'access-control-allow-origin': page,
        'access-control-allow-methods': expect.stringContaining('POST') as string,
        'access-control-allow-headers': 'authorization,content-type',
        vary: 'Origin',
      },
    ]);
    const refused = await call(at, { headers: { origin: page } });
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, page]);
    const unknown = await call(`${url}/nothing`, { headers: { origin: 'http://localhost:8080' } });
    expect([unknown.status, unknown.headers.get('access-control-allow-origin')]).toEqual([404, 'http://localhost:8080']);
    const other = await call(at, { method: 'OPTIONS', headers: { origin: 'https://evil.example.com', ...preflight } });
    expect([other.headers.get('access-control-allow-origin'), other.headers.get('vary')]).toEqual([null, 'Origin']);
  });

  it('are none unless named, and all with *', async () => {
    const none = await start('subscription-api');
    const all = await start('subscription-api', { CORS_ORIGINS: '*' });
    for (const { url, process } of [none, all]) await process.ready(url);
    const ask = async ({ url }: Started) => (await call(`${url}/api/openapi.json`, { headers: { origin: page } })).headers;
    expect((await ask(none)).get('access-control-allow-origin')).toBeNull();
    expect((await ask(all)).get('access-control-allow-origin')).toBe('*');
  });
});
