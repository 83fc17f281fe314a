import { Body, Controller, Module, Post } from '@nestjs/common';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ServiceHttp } from '#http';
import { openTestHttp } from '../support/http.js';

/** Between the pieces that a slow client sends, in milliseconds. */
const PAUSE_MS = 5;
const CHECK_MS = 20;
const BODY = '{"name":"slow, and in time"}';
const HEAD = `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;

@Controller()
class EchoController {
  @Post('echo')
  echo(@Body() body: unknown): unknown {
    return body;
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

async function start(requestTimeoutMs: number): Promise<ServiceHttp> {
  const http = await openTestHttp({ requestTimeoutMs, connectionCheckMs: CHECK_MS });
  await http.serve(EchoModule, { bodyLimit: 100_000 });
  return http;
}

/** A connection, and all that came over it; ends with the test. */
class Client {
  answer = '';
  private readonly ended: Promise<unknown>;

  constructor(readonly socket: Socket) {
    socket.setEncoding('utf8').on('data', (chunk: string) => (this.answer += chunk));
    // Being cut off is what is looked for; once() would reject with the EPIPE or ECONNRESET that comes before the close.
    this.ended = new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
  }

  /** Writes the pieces one by one, for as long as the connection is open. */
  async trickle(pieces: Iterable<string>, pauseMs = PAUSE_MS): Promise<void> {
    for (const piece of pieces) {
      if (!this.socket.writable) return;
      this.socket.write(piece);
      await delay(pauseMs);
    }
  }

  /** @returns the answer when the server closed the connection */
  async closed(): Promise<string> {
    await this.ended;
    return this.answer;
  }
}

function* forever(piece: string): Generator<string> {
  for (;;) yield piece;
}

describe('clients that never finish', () => {
  let strict: ServiceHttp;
  let patient: ServiceHttp;
  const ports = { strict: 0, patient: 0 };
  const clients: Client[] = [];

  beforeAll(async () => {
    strict = await start(200);
    patient = await start(60_000);
    ports.strict = Number(new URL(strict.url).port);
    ports.patient = Number(new URL(patient.url).port);
  });

  afterEach(() => {
    for (const { socket } of clients.splice(0)) socket.destroy();
  });

  afterAll(async () => {
    await strict.close();
    await patient.close();
  });

  function open(server: keyof typeof ports): Client {
    const client = new Client(connect(ports[server], '127.0.0.1'));
    clients.push(client);
    return client;
  }

  it('are cut off when they send headers byte by byte', async () => {
    const client = open('strict');
    await client.trickle('POST /echo HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    await client.trickle(forever('x'));
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 408 [^]*"status":"validation_error"/);
  });

  it('are cut off when they send header after header', async () => {
    const client = open('strict');
    client.socket.write('GET /echo HTTP/1.1\r\nHost: x\r\n');
    await client.trickle(forever('A: b\r\n'));
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 408 /);
  });

  it.each([
    ['with a length', 'Content-Length: 50000\r\n\r\n', 'x'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n', '1\r\nx\r\n'],
  ])('are cut off when they send a body byte by byte, %s', async (_what, head, piece) => {
    const client = open('strict');
    client.socket.write(HEAD + head);
    await client.trickle(forever(piece));
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 408 [^]*"status":"validation_error"/);
  });

  it('are cut off when they send nothing', async () => {
    expect(await open('strict').closed()).toMatch(/^(HTTP\/1\.1 408 |$)/);
  });

  it.each([
    ['one huge header', `X-Huge: ${'x'.repeat(100_000)}\r\n`],
    ['too many headers', 'A: b\r\n'.repeat(5000)],
    ['headers without end', undefined],
  ])('are refused for %s', async (_what, headers) => {
    const client = open('patient');
    client.socket.write('GET /echo HTTP/1.1\r\nHost: x\r\n');
    if (headers === undefined) await client.trickle(forever(`X-Again: ${'x'.repeat(1000)}\r\n`), 0);
    else client.socket.write(`${headers}\r\n`);
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 431 [^]*"status":"validation_error"/);
  });

  it.each([
    ['without end', undefined],
    ['that is announced', 1_000_000_000],
  ])('are refused for a body %s, and not listened to any longer', async (_what, length) => {
    const client = open('patient');
    client.socket.write(
      HEAD + (length === undefined ? 'Transfer-Encoding: chunked\r\n\r\n' : `Content-Length: ${length}\r\n\r\n`),
    );
    const piece = 'x'.repeat(10_000);
    await client.trickle(forever(length === undefined ? `${piece.length.toString(16)}\r\n${piece}\r\n` : piece), 0);
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 413 [^]*"status":"payload_too_large"/);
  });

  it('take no others down: slow ones that are in time are answered', async () => {
    const slow = Array.from({ length: 20 }, async () => {
      const client = open('strict');
      client.socket.write(HEAD);
      await client.trickle(forever('A: b\r\n'));
    });
    const client = open('patient');
    const request = `${HEAD}Connection: close\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
    await client.trickle(request); // looked at many times meanwhile
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 201 [^]*\{"name":"slow, and in time"\}$/);
    const quick = await fetch(`http://127.0.0.1:${ports.strict}/echo`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: BODY,
    });
    expect(await quick.text()).toBe(BODY);
    await Promise.all(slow);
  });
});
