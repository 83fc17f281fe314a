import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../../test/support/poll.js';
import { atOnce } from '../../../../test/support/send-terms.js';
import { RawServer, type RawBehaviour } from '../../../../test/support/raw-server.js';
import { AddressGuard } from '../address-guard.js';
import { buildRequest } from '../notification.js';
import { generateSecret, signingKey } from '../signature.js';
import { WebhookClient } from '../webhook.client.js';

const keys = [signingKey(generateSecret())];
const ID = '0193570e-7f4b-7a3c-8a2e-3f5c7e9d1b2a_7';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const CUT = 'connection closed before the answer was complete';

function request(url: string, method: 'GET' | 'POST' = 'POST') {
  return buildRequest({
    method,
    url,
    pairs: 'a=b',
    id: ID,
    attempt: 3,
    sequence: 1,
    occurredAt: Date.now(),
    at: Date.now(),
    keys,
  });
}

describe('an exchange over HTTP', () => {
  let client: WebhookClient;
  const servers: RawServer[] = [];

  beforeEach(() => {
    client = clientWith({});
  });

  afterEach(async () => {
    await client.close();
    for (const server of servers.splice(0)) await server.stop();
  });

  function clientWith({ timeoutMs = 10_000, connectionsPerOrigin = 4 }): WebhookClient {
    return new WebhookClient({ guard: new AddressGuard(['127.0.0.0/8', '::1']), timeoutMs, connectionsPerOrigin });
  }

  async function serve(behaviour: RawBehaviour | string, onConnection?: (socket: Socket) => void): Promise<RawServer> {
    const answer: RawBehaviour = typeof behaviour === 'string' ? (socket) => void socket.write(behaviour, 'latin1') : behaviour;
    const server = await RawServer.start(answer, onConnection);
    servers.push(server);
    return server;
  }

  const send = async (server: RawServer) => (await client.send(request(`${server.url}/hook`), atOnce()))!;

  describe('counts the status once the head is read', () => {
    it.each([
      ['a length that the end of the connection belies', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok', 'ok'],
      ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Length: 7\r\n\r\nok', 'ok'],
      ['a garbled length', 'HTTP/1.1 201 OK\r\nContent-Length: 0x2\r\n\r\nok', 'ok'],
      ['a garbled chunk', 'HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nnonsense\r\n', 'ok'],
      ['a length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n', 'ok'],
      ['204 and a body', 'HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok', ''],
      ['204 and a length alone', 'HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n', ''],
      ['HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nok', 'ok'],
      ['lines that end in LF', 'HTTP/1.1 200 OK\n\nok', 'ok'],
    ])('with %s, by FIN and by RST', async (_what, bytes, body) => {
      for (const ending of ['end', 'resetAndDestroy'] as const) {
        const server = await serve((socket) => socket.write(bytes, 'latin1', () => socket[ending]()));
        const status = Number(bytes.slice(9, 12));
        const result = await send(server);
        // A reset may overtake the body, which is lost then.
        expect(result).toMatchObject(ending === 'end' ? { status, body } : { status });
      }
    });

    it.each([
      ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n'],
      ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok'],
      ['nothing that says where it ends', 'HTTP/1.1 200 OK\r\n\r\nok'],
    ])('when the body of %s never ends, which costs the connection after a second', async (_what, bytes) => {
      const server = await serve(bytes);
      const startedAt = performance.now();
      expect(await send(server)).toMatchObject({ status: 200, body: 'ok' });
      expect(performance.now() - startedAt).toBeLessThan(8000);
      await eventually('the connection to be closed', () => server.sockets[0]!.closed);
      expect(await send(server)).toMatchObject({ status: 200 });
      expect(server.requests.map(({ connection }) => connection)).toEqual([1, 2]);
    });

    it('when the body trickles', async () => {
      const server = await serve((socket) => {
        socket.write('HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n');
        const timer = setInterval(() => socket.write('1\r\nx\r\n'), 50);
        socket.on('close', () => clearInterval(timer));
      });
      expect(await send(server)).toMatchObject({ status: 500, body: expect.stringMatching(/^x+$/) as string });
      await eventually('the connection to be closed', () => server.sockets[0]!.closed);
    });

    it('also when the time is up after it', async () => {
      await client.close();
      client = clientWith({ timeoutMs: 300 });
      const server = await serve('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok');
      expect(await send(server)).toMatchObject({ status: 200, body: 'ok' });
      await eventually('the connection to be closed', () => server.sockets[0]!.closed);
    });

    it('and tells of a success as soon as 256 bytes are there', async () => {
      const server = await serve(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n200\r\n${'я'.repeat(300)}`);
      const answer = await send(server);
      expect(server.sockets[0]!.closed).toBe(false); // still being read
      expect(answer).toMatchObject({ status: 200, body: expect.stringMatching(/^.{256}$/s) as string });
    });

    it.each([
      [
        '101 is none that succeeds',
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
        { status: 101 },
      ],
      ['nor is 999', 'HTTP/1.1 999 Request denied\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', { status: 999 }],
      ['099 is no status', 'HTTP/1.1 099 X\r\n\r\n', { error: 'answer is not HTTP: it begins with "HTTP/1.1 099 X"' }],
      [
        'a head above 128 KiB is none',
        `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(129 * 1024)}\r\n\r\n`,
        { error: 'answer with a head longer than 128 KiB' },
      ],
    ])('%s', async (_what, bytes, result) => {
      const server = await serve(bytes);
      expect(await send(server)).toMatchObject(result);
      await eventually('the connection to be closed', () => server.sockets[0]!.closed);
    });
  });

  it('reads heads of up to 128 KiB, on a connection that goes on', async () => {
    const server = await serve((socket, { nth }) => {
      socket.write(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(nth === 1 ? 20_000 : 127 * 1024)}\r\nContent-Length: 2\r\n\r\nok`);
    });
    for (let i = 0; i < 2; i++) expect(await send(server)).toMatchObject({ status: 200, body: 'ok' });
    expect(server.sockets.length).toBe(1);
  });

  it.each([
    ['100', ['HTTP/1.1 100 Continue\r\n\r\n', OK]],
    ['100 in one packet with the answer', [`HTTP/1.1 100 Continue\r\n\r\n${OK}`]],
    ['102 and 103', ['HTTP/1.1 102 Processing\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', OK]],
    ['100, in pieces', [...`HTTP/1.1 100 Continue\r\n\r\n${OK}`]],
  ])('passes interim answers over: %s', async (_which, pieces) => {
    const server = await serve((socket) => {
      const next = (at: number): void => void (at < pieces.length && socket.write(pieces[at]!, () => setImmediate(next, at + 1)));
      next(0);
    });
    for (let i = 0; i < 2; i++) expect(await send(server)).toMatchObject({ status: 200, body: 'ok' });
    expect(server.sockets.length).toBe(1);
  });

  it('takes surplus bytes for nothing: neither for the answer of the next request nor for its failure', async () => {
    for (const surplus of ['HTTP/1.1 500 X\r\nContent-Length: 3\r\n\r\nbad', 'garbage', '\r\n']) {
      const server = await serve((socket, { connection }) => void socket.write(connection === 1 ? OK + surplus : OK));
      for (let i = 0; i < 3; i++) expect(await send(server)).toMatchObject({ status: 200, body: 'ok' });
      expect(server.requests.map(({ connection }) => connection)).toEqual([1, 2, 2]);
    }
  });

  it('does so too when they come later, on a connection that is idle', async () => {
    const server = await serve(OK);
    expect(await send(server)).toMatchObject({ status: 200 });
    server.sockets[0]!.write('HTTP/1.1 500 X\r\nContent-Length: 3\r\n\r\nbad');
    await eventually('the connection to be closed', () => server.sockets[0]!.closed);
    expect(await send(server)).toMatchObject({ status: 200, body: 'ok' });
  });

  it('does so too when they come while the next request is about to go out', async () => {
    const server = await serve(OK);
    expect(await send(server)).toMatchObject({ status: 200 });
    server.sockets[0]!.write('HTTP/1.1 500 X\r\nContent-Length: 3\r\n\r\nbad');
    // The bytes are in this machine's buffers by now; they were not read, since nothing was waited for.
    const waited = performance.now() + 50;
    while (performance.now() < waited);
    expect(await send(server)).toMatchObject({ status: 200, body: 'ok' });
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 2]);
  });

  describe('on a connection that ends before the first byte', () => {
    it.each(['end', 'resetAndDestroy'] as const)('fails when it is a new one (%s)', async (ending) => {
      const server = await serve((socket) => void socket[ending]());
      expect(await send(server)).toMatchObject({ error: CUT });
      expect(server.requests.length).toBe(1);
    });

    it.each(['end', 'resetAndDestroy'] as const)('is moved to a new one at once when it is a used one (%s)', async (ending) => {
      const server = await serve(
        (socket, { connection, nth }) => void (connection === 1 && nth === 2 ? socket[ending]() : socket.write(OK)),
      );
      for (let i = 0; i < 3; i++) expect(await send(server)).toMatchObject({ status: 200, body: 'ok' });
      expect(server.requests.map(({ connection, nth }) => [connection, nth])).toEqual([
        [1, 1],
        [1, 2],
        [2, 1],
        [2, 2],
      ]);
      // The same attempt, to the byte.
      expect(server.requests[2]!.text).toBe(server.requests[1]!.text);
      expect(server.requests[2]!.text).toMatch(new RegExp(`webhook-id: ${ID}\r\n[^]*webhook-attempt: 3\r\n`));
    });

    it('is moved once', async () => {
      const server = await serve((socket) => void (server.requests.length === 1 ? socket.write(OK) : socket.end()));
      expect(await send(server)).toMatchObject({ status: 200 });
      expect(await send(server)).toMatchObject({ error: CUT });
      expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 2]);
    });

    it('is moved to a new one, not to another used one, however many are idle', async () => {
      // All four connections end with their second request.
      const server = await serve((socket, { nth }) => void (nth === 1 ? setTimeout(() => socket.write(OK), 100) : socket.end()));
      const results = await Promise.all(Array.from({ length: 4 }, () => send(server)));
      expect(results.map((result) => 'status' in result && result.status)).toEqual([200, 200, 200, 200]);
      expect(server.sockets.length).toBe(4);
      expect(await send(server)).toMatchObject({ status: 200 });
      expect(server.requests.slice(4).map(({ nth }) => nth)).toEqual([2, 1]);
    });

    it('is not moved once something has come', async () => {
      const server = await serve((socket, { nth }) => void (nth === 1 ? socket.write(OK) : socket.end('HTTP/1.1 2')));
      expect(await send(server)).toMatchObject({ status: 200 });
      expect(await send(server)).toMatchObject({ error: CUT });
      expect(server.requests.length).toBe(2);
    });

    it('has no more time for that than the attempt', async () => {
      await client.close();
      client = clientWith({ timeoutMs: 700 });
      const server = await serve((socket, { connection, nth }) => {
        if (nth === 1 && connection === 1) socket.write(OK);
        else if (connection === 1) setTimeout(() => socket.destroy(), 400);
      });
      expect(await send(server)).toMatchObject({ status: 200 });
      const startedAt = performance.now();
      expect(await send(server)).toMatchObject({ error: 'timed out after 0.7 s' });
      expect(performance.now() - startedAt).toBeGreaterThan(600);
      expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 2]);
    });
  });

  it('loses nothing to a receiver that closes idle connections without saying so', async () => {
    const server = await serve(
      (socket) => void socket.write(OK),
      (socket) => socket.setTimeout(30, () => socket.destroy()),
    );
    for (let pause = 20; pause < 40; pause++) {
      expect(await send(server)).toMatchObject({ status: 200 });
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    expect(server.sockets.length).toBeGreaterThan(1);
  });

  it.each([
    ['Connection: close', 2],
    ['Keep-Alive: timeout=1', 2],
    ['Keep-Alive: timeout=30', 1],
    ['X: y', 1],
  ])('keeps connections as %s asks for', async (header, connections) => {
    const server = await serve(`HTTP/1.1 200 OK\r\n${header}\r\nContent-Length: 2\r\n\r\nok`);
    for (let i = 0; i < 2; i++) expect(await send(server)).toMatchObject({ status: 200 });
    expect(server.sockets.length).toBe(connections);
  });

  it('closes a connection that nobody uses', async () => {
    const server = await serve('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=3\r\nContent-Length: 2\r\n\r\nok');
    expect(await send(server)).toMatchObject({ status: 200 });
    expect(server.sockets[0]!.closed).toBe(false);
    await eventually('the idle connection to be closed', () => server.sockets[0]!.closed);
  });

  it('opens no more connections to an origin than it may, and sends all in turn', async () => {
    const server = await serve((socket) => void setTimeout(() => socket.write(OK), 5));
    const results = await Promise.all(Array.from({ length: 30 }, () => send(server)));
    expect(results.every((result) => 'status' in result && result.status === 200)).toBe(true);
    expect(server.sockets.length).toBeLessThanOrEqual(4);
    expect(server.requests.length).toBe(30);
  });

  it('sends what waits although every connection before it fails', async () => {
    const server = await serve((socket) => void (server.requests.length <= 8 ? socket.destroy() : socket.write(OK)));
    const results = await Promise.all(Array.from({ length: 12 }, () => send(server)));
    expect(results.filter((result) => 'error' in result).length).toBe(8);
    expect(results.filter((result) => 'status' in result).length).toBe(4);
  });

  it('sends nothing once its time to be sent has passed, and keeps the connection for the next try', async () => {
    const server = await serve(OK);
    const late = { ...atOnce(), sendBy: performance.now() };
    expect(await client.send(request(`${server.url}/late`), late)).toBeUndefined();
    expect(await send(server)).toMatchObject({ status: 200 });
    expect(server.sockets.length).toBe(1);
    expect(server.requests.length).toBe(1);
  });

  it('ends what is in flight, waits or comes later when it is closed', async () => {
    const server = await serve(() => undefined);
    const results = Promise.all(Array.from({ length: 8 }, () => send(server)));
    await eventually('four to be on their way', () => server.requests.length === 4);
    await client.close();
    const stopped = expect.objectContaining({ error: 'the sender was stopped' }) as unknown;
    expect(await results).toEqual(Array(8).fill(stopped));
    expect(await send(server)).toEqual(stopped);
    await eventually('all connections to be closed', () => server.sockets.every((socket) => socket.closed));
    expect(server.requests.length).toBe(4);
  });

  it('asks for answers that can be read, by GET and by POST', async () => {
    const server = await serve(OK);
    await send(server);
    await client.send(request(`${server.url}/hook?x=1`, 'GET'), atOnce());
    const [post, get] = server.requests.map(({ text }) => text);
    expect(post).toMatch(/^POST \/hook HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\n[^]*\r\ncontent-length: 3\r\n\r\na=b$/);
    expect(get).toMatch(/^GET \/hook\?x=1&a=b HTTP\/1\.1\r\n/);
    expect(get).not.toMatch(/content-length|transfer-encoding/i);
    for (const text of [post, get]) {
      expect(text).toContain('\r\naccept-encoding: identity\r\n');
      expect(text).toContain('\r\ntraceparent: 00-0193570e7f4b7a3c8a2e3f5c7e9d1b2a-8a2e3f5c7e9d1b2a-01\r\n');
    }
  });
});
