import { once } from 'node:events';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/poll.js';
import { RecordingReceiver } from '../../../test/support/receiver.js';
import { atOnce } from '../../../test/support/send-terms.js';
import { AddressGuard } from './address-guard.js';
import { buildRequest, type WebhookRequest } from './notification.js';
import { generateSecret, signingKey } from './signature.js';
import { WebhookClient } from './webhook.client.js';

const PAIRS = 'agent_status=available&agent_type=local';
const keys = [signingKey(generateSecret())];

function request(url: string, method: 'GET' | 'POST' = 'POST') {
  const occurredAt = Date.now();
  return buildRequest({
    method,
    url,
    pairs: PAIRS,
    id: '0193570e-7f4b-7a3c-8a2e-3f5c7e9d1b2a_1',
    attempt: 1,
    sequence: 1,
    occurredAt,
    at: Date.now(),
    keys,
  });
}

describe.each(['send', 'sendByHand'] as const)('the webhook client, %s', (way) => {
  let receiver: RecordingReceiver;
  let client: WebhookClient;
  const send = (request: WebhookRequest) =>
    way === 'send' ? client.send(request, atOnce()) : client.sendByHand(request, atOnce().clientId);
  const sockets = new Set<Socket>();
  const servers: Server[] = [];

  beforeAll(async () => {
    receiver = await RecordingReceiver.start();
    client = new WebhookClient({ guard: new AddressGuard(['127.0.0.0/8', '::1']), timeoutMs: 500, connectionsPerOrigin: 4 });
  });

  afterAll(async () => {
    await client.close();
    await receiver.stop();
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
  });

  /** A server that does what it is told with each connection. */
  async function tcp(onConnection: (socket: Socket) => void): Promise<string> {
    const server = createTcpServer((socket) => {
      sockets.add(socket.on('error', () => undefined));
      onConnection(socket);
    }).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('sends what it is given and nothing else', async () => {
    receiver.answer((_request, response) => response.writeHead(201, { 'retry-after': '7', 'set-cookie': 'a=b' }).end('done'));
    expect(await send(request(`${receiver.url}/post?a=%20'`))).toMatchObject({
      status: 201,
      body: 'done',
      retryAfter: '7',
    });
    await send(request(`${receiver.url}/get`, 'GET'));
    const [post, get] = receiver.requests;
    expect(post).toMatchObject({ method: 'POST', url: "/post?a=%20'", body: PAIRS });
    expect(
      Object.keys(post!.headers)
        .filter((name) => !name.startsWith('webhook-'))
        .sort(),
    ).toEqual(['accept-encoding', 'connection', 'content-length', 'content-type', 'host', 'traceparent', 'user-agent']);
    expect(get).toMatchObject({ method: 'GET', url: `/get?${PAIRS}`, body: '' });
    expect(get!.headers).not.toHaveProperty('cookie');
    expect(get!.headers).not.toHaveProperty('content-type');
  });

  it('takes a redirect and an error status as they come', async () => {
    receiver.answer((_request, response) => response.writeHead(302, { location: `${receiver.url}/elsewhere` }).end());
    expect(await send(request(receiver.url))).toMatchObject({ status: 302, body: '' });
    expect(receiver.at('/elsewhere')).toEqual([]);
    receiver.answer((_request, response) => response.writeHead(503).end('later'));
    expect(await send(request(receiver.url))).toMatchObject({ status: 503, body: 'later' });
  });

  it('keeps 4 KiB of an answer and 256 bytes of a success, as text that PostgreSQL can store', async () => {
    const answers = [
      [500, 'я'.repeat(40_000), 'я'.repeat(2048)],
      [404, `x${'я'.repeat(40_000)}`, `x${'я'.repeat(2047)}`],
      [200, 'я'.repeat(40_000), 'я'.repeat(128)],
      [202, `x${'я'.repeat(200)}`, `x${'я'.repeat(127)}`],
      [200, Buffer.from([0x61, 0x00, 0xff, 0x62]), 'a\ufffd\ufffdb'],
      [200, Buffer.from([0x61, 0xd1]), 'a\ufffd'],
    ] as const;
    for (const [status, sent, body] of answers) {
      receiver.answer((_request, response) => response.writeHead(status).end(sent));
      expect(await send(request(receiver.url))).toMatchObject({ status, body });
    }
  });

  it('does not read an endless answer', async () => {
    const url = await tcp((socket) => {
      socket.write('HTTP/1.1 400 X\r\n\r\n');
      const pour = (): void => {
        while (!socket.destroyed && socket.write('y'.repeat(16_384)));
      };
      socket.on('drain', pour).once('data', pour);
    });
    expect(await send(request(url))).toMatchObject({ status: 400, body: 'y'.repeat(4096) });
    await eventually('the connection is closed', () => [...sockets].every((socket) => socket.closed));
  });

  it('tells every Retry-After', async () => {
    receiver.answer((_request, response) => response.writeHead(503, ['Retry-After', '60', 'retry-after', '60.5']).end());
    expect(await send(request(receiver.url))).toMatchObject({ status: 503, retryAfter: '60, 60.5' });
  });

  it.each([
    ['no answer', undefined],
    ['half a header', 'HTTP/1.1 200 OK\r\nContent-'],
    ['interim answers alone', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ])('gives up in time on %s', async (_name, bytes) => {
    const url = await tcp((socket) => void socket.once('data', () => bytes !== undefined && socket.write(bytes)));
    expect(await send(request(url))).toMatchObject({ error: 'timed out after 0.5 s' });
  });

  it('says in words what went wrong', async () => {
    const reset = await tcp((socket) => void socket.once('data', () => socket.resetAndDestroy()));
    expect(await send(request(reset))).toMatchObject({ error: 'connection closed before the answer was complete' });
    const cut = await tcp((socket) => void socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n')));
    expect(await send(request(cut))).toMatchObject({ error: 'connection closed before the answer was complete' });
    const nonsense = await tcp((socket) => void socket.once('data', () => socket.end('SSH-2.0-OpenSSH\r\n')));
    expect(await send(request(nonsense))).toMatchObject({ error: 'answer is not HTTP: it begins with "SSH-2.0-OpenSSH"' });
    expect(await send(request('http://127.0.0.1:1/'))).toMatchObject({ error: 'connection refused' });
    expect(await send(request('http://nowhere.invalid/'))).toMatchObject({
      error: expect.stringMatching(/^host name/) as string,
    });
    expect(await send(request(receiver.url.replace('http:', 'https:')))).toMatchObject({
      error: 'TLS: wrong version number',
    });
  });

  it('gives up what waits for a connection too once its time is up, and leaves no connection behind', async () => {
    const connections: Socket[] = [];
    let seen = 0;
    const url = await tcp((socket) => {
      connections.push(socket.on('data', () => seen++));
    });
    const results = await Promise.all(Array.from({ length: 10 }, () => send(request(url))));
    expect(results).toEqual(Array(10).fill(expect.objectContaining({ error: 'timed out after 0.5 s' })));
    await eventually('all connections to be closed', () => connections.every((socket) => socket.closed));
    expect(seen).toBeLessThanOrEqual(10);
    const seenInTime = seen;
    await send(request(receiver.url)); // whatever was still to be sent would be by now
    expect([seen, connections.every((socket) => socket.closed)]).toEqual([seenInTime, true]);
  });

  it('connects to no address that is not public, by number or by name', async () => {
    const guarded = new WebhookClient({ guard: new AddressGuard(), timeoutMs: 2000, connectionsPerOrigin: 4 });
    const before = receiver.requests.length;
    const { port } = new URL(receiver.url);
    for (const host of ['127.0.0.1', '2130706433', '[::ffff:127.0.0.1]', '[::1]', 'localhost', '0.0.0.0', '169.254.169.254']) {
      expect(await guarded.send(request(`http://${host}:${port}/`), atOnce())).toMatchObject({
        error: expect.stringMatching(/^destination .* is not a public address$/) as string,
      });
    }
    expect(receiver.requests.length).toBe(before);
    await guarded.close();
  });
});
