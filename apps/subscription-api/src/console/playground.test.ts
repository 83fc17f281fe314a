import { createServer, type IncomingMessage, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signingKey, signV1 } from '#webhook';
import { call, type Answer } from '../../../../test/support/client.js';
import { ApiFixture, type ApplicationName } from '../../../../test/support/subscription-api.js';

interface Passed {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

/** Stands in for presence and the receiver, and tells what came. */
class Behind {
  readonly passed: Passed[] = [];
  answer: unknown = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<Behind> {
    const server = createServer((request, response) => {
      void read(request).then((body) => {
        const { method = '', url = '', headers } = request;
        behind.passed.push({ method, url, authorization: headers.authorization, body });
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(behind.answer));
      });
    });
    const behind = new Behind(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return behind;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): Promise<unknown> {
    this.server.closeAllConnections();
    return once(this.server.close(), 'close');
  }
}

async function read(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk as string;
  return text;
}

describe('the playground', () => {
  let behind: Behind;
  let api: ApiFixture;

  beforeAll(async () => {
    behind = await Behind.start();
    const playground = { presence: behind.url, receiver: behind.url, reporter: 'platform' };
    api = await ApiFixture.start({}, { playground });
  });

  afterAll(async () => {
    await api.stop();
    await behind.stop();
  });

  beforeEach(() => {
    behind.passed.length = 0;
    behind.answer = [];
  });

  async function play(app: ApplicationName | undefined, method: string, path: string, body?: unknown): Promise<Answer> {
    return call(`${api.url}/console/playground/${path}`, {
      method,
      headers: {
        ...(app && { authorization: `Bearer ${await api.token(app)}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }

  const item = { agent_type: 'local', agent_id: 136, agent_status: 'available', event_source: 'phone' };

  it('reports telemetry of the client’s own agents, in the name of who may', async () => {
    behind.answer = [{ result: 'changed', sequence: 1 }];
    const answer = await play('demo', 'POST', 'telemetry', item);
    expect([answer.status, answer.json]).toEqual([200, [{ result: 'changed', sequence: 1 }]]);
    const [passed] = behind.passed;
    expect([passed?.method, passed?.url, JSON.parse(passed?.body ?? '')]).toEqual([
      'POST',
      '/telemetry',
      [{ ...item, client_id: '12' }],
    ]);
    const user = await call(`${api.url}/api/ver1.0/user`, { headers: { authorization: passed?.authorization ?? '' } });
    expect(user.json).toMatchObject({ login: 'platform', access: 'platform' });
  });

  it('refuses agents of another client, also among its own', async () => {
    for (const body of [{ ...item, client_id: '13' }, [item, { ...item, client_id: 13 }]]) {
      const answer = await play('demo', 'POST', 'telemetry', body);
      expect([answer.status, answer.json]).toEqual([403, { message: 'Access denied', status: 'access_denied' }]);
    }
    expect(behind.passed).toEqual([]);
  });

  it('passes on what is to be answered, and empties the list', async () => {
    expect((await play('demo', 'POST', 'mode', { status: 503, delay_ms: 0 })).status).toBe(200);
    expect((await play('demo', 'DELETE', 'received')).status).toBe(200);
    expect(behind.passed.map(({ method, url, body }) => [method, url, body])).toEqual([
      ['POST', '/mode', '{"status":503,"delay_ms":0}'],
      ['DELETE', '/received', ''],
    ]);
  });

  it('shows what is signed with the client’s secret or by nobody, and nothing of another client', async () => {
    const secretOf = async (app: ApplicationName): Promise<string> =>
      ((await api.api(app, 'GET', '/client/@me/webhook_secret/')).json as { secret: string }[])[0]?.secret ?? '';
    const pairs = 'agent_status=available&agent_type=local&event_source=api&agent_id=1&extension_name=a';
    const request = (secret: string, method: string) => ({
      method,
      url: method === 'GET' ? `/x?agent_status=mine&${pairs}` : '/x',
      headers: {
        'webhook-id': 'one_1',
        'webhook-timestamp': '1700000000',
        'webhook-signature': signV1([signingKey(secret)], 'one_1', 1_700_000_000, pairs),
      },
      body: method === 'GET' ? '' : pairs,
    });
    const [own, others] = [await secretOf('demo'), await secretOf('other')];
    const unsigned = { method: 'GET', url: '/by-hand', headers: {}, body: '' };
    behind.answer = [request(own, 'POST'), request(others, 'POST'), request(own, 'GET'), request(others, 'GET'), unsigned];
    const answer = await play('demo', 'GET', 'received?after=0');
    expect(answer.json).toEqual([
      { ...request(own, 'POST'), signed: true },
      { ...request(own, 'GET'), signed: true },
      { ...unsigned, signed: false },
    ]);
    expect(behind.passed[0]?.url).toBe('/received?after=0');
  });

  it('needs a token, access `all`, and JSON that says so', async () => {
    expect((await play(undefined, 'GET', 'received')).status).toBe(401);
    for (const app of ['reader', 'platform'] as const) {
      const answer = await play(app, 'GET', 'received');
      expect([answer.status, (answer.json as { status: string }).status]).toEqual([403, 'app_access_type_deny']);
    }
    const plain = await call(`${api.url}/console/playground/telemetry`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await api.token('demo')}`, 'content-type': 'text/plain' },
      body: JSON.stringify(item),
    });
    expect(plain.status).toBe(415);
    expect(behind.passed).toEqual([]);
  });

  it('says so where the parts behind it do not answer', async () => {
    const playground = { presence: 'http://127.0.0.1:9', receiver: 'http://127.0.0.1:9', reporter: 'platform' };
    const alone = await ApiFixture.startService(api.database.url, {}, { playground });
    try {
      const answer = await call(`${alone.url}/console/playground/received`, {
        headers: { authorization: `Bearer ${await api.token('demo')}` },
      });
      expect([answer.status, (answer.json as { status: string }).status]).toEqual([503, 'unavailable']);
    } finally {
      await alone.stop();
    }
  });

  it('is not there, for anybody, where nothing is told of it', async () => {
    const without = await ApiFixture.startService(api.database.url);
    try {
      for (const [method, path] of [
        ['GET', 'received'],
        ['POST', 'telemetry'],
        ['DELETE', 'received'],
        ['POST', 'mode'],
      ] as const) {
        expect([method, path, (await call(`${without.url}/console/playground/${path}`, { method })).status]).toEqual([
          method,
          path,
          404,
        ]);
      }
    } finally {
      await without.stop();
    }
  });
});
