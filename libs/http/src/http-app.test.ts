import { Body, Controller, Delete, Get, Module, Param, Post } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Readiness } from '#runtime';
import { openTestHttp } from '../../../test/support/http.js';
import { ApiError, AddRouteConfig, type ServiceHttp } from './index.js';

const thing = z.object({ name: z.string({ error: 'must be a string' }) }, { error: 'must be a JSON object' });

@Controller()
class ThingController {
  @Post('things')
  add(@Body({ schema: thing }) body: z.output<typeof thing>): unknown {
    return body;
  }

  @Post('things/count')
  count(): unknown {
    return { count: 1 };
  }

  @Get('things/:id')
  find(@Param('id') id: string): unknown {
    return { id };
  }

  @Delete('things/:id')
  remove(): unknown {
    return { removed: true };
  }

  @Post('form')
  @AddRouteConfig({ acceptsForms: true })
  form(@Body() body: unknown): unknown {
    return body;
  }

  @Get('fails/:how')
  fail(@Param('how') how: string): never {
    if (how === 'refusal') throw new ApiError('rate_limit_exceeded', 'Too many', { headers: { 'retry-after': '3' } });
    if (how === 'refused') throw Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), { code: 'ECONNREFUSED' });
    if (how === 'shutdown') throw new Error('query failed', { cause: Object.assign(new Error('x'), { code: '57P01' }) });
    throw new Error('secret details');
  }
}

@Module({ controllers: [ThingController] })
class ThingModule {}

describe('http app', () => {
  let http: ServiceHttp;
  let app: NestFastifyApplication;
  let url: string;
  let ready = true;

  beforeAll(async () => {
    const readiness = new Readiness();
    readiness.register('thing', () => {
      if (!ready) throw new Error('away');
    });
    http = await openTestHttp({ readiness });
    url = http.url;
    app = await http.serve(ThingModule, { bodyLimit: 1000 });
  });

  afterAll(() => http.close());

  const send = (method: string, path: string, body?: string | Buffer, type?: string) =>
    app.inject({
      method: method as 'GET',
      url: path,
      ...(body !== undefined && { payload: body }),
      headers: type === undefined ? {} : { 'content-type': type },
    });

  /** Sends any method, which clients would not. */
  async function sendRaw(
    method: string,
    path: string,
    body: string,
  ): Promise<{ status: number; headers: Record<string, string>; body: string }> {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(
      `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${body === '' ? '' : `Content-Length: ${body.length}\r\n`}\r\n${body}`,
    );
    const chunks: Buffer[] = [];
    for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk);
    const [head = '', text = ''] = Buffer.concat(chunks).toString().split('\r\n\r\n');
    const [statusLine = '', ...lines] = head.split('\r\n');
    const headers = lines.map((line) => /^(.*?): (.*)$/.exec(line)!).map(([, name, value]) => [name!.toLowerCase(), value!]);
    return {
      status: Number(statusLine.split(' ')[1]),
      headers: Object.fromEntries(headers) as Record<string, string>,
      body: text,
    };
  }

  it.each(['/things', '/things/'])('reads JSON at %s', async (path) => {
    const answer = await send('POST', path, '\ufeff{"name":"Zoë","other":1}', 'application/json; charset=utf-8');
    expect([answer.statusCode, answer.body]).toEqual([201, '{"name":"Zoë"}']);
  });

  it('reads a body without a Content-Type as JSON', async () => {
    const answer = await fetch(`${url}/things`, { method: 'POST', body: new Uint8Array(Buffer.from('{"name":"x"}')) });
    expect(answer.status).toBe(201);
  });

  it.each([
    ['malformed JSON', '{"name":', 'body', 'must be JSON'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'body', 'must be UTF-8'],
    ['an array', '[]', 'body', 'must be a JSON object'],
    ['null', 'null', 'body', 'must be a JSON object'],
    ['a wrong field', '{"name":null}', 'name', 'must be a string'],
    ['no body', '', 'body', 'must be a JSON object'],
    ['a prototype', '{"__proto__":{"name":"x"}}', 'name', 'must be a string'],
  ])('refuses %s', async (_what, body, field, why) => {
    const answer = await send('POST', '/things', body, 'application/json');
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ status: 'validation_error', errors: { [field]: [why] } });
  });

  it('refuses other types and bodies that are too long', async () => {
    expect((await send('POST', '/things', '<a/>', 'text/xml')).json()).toMatchObject({ status: 'unsupported_media_type' });
    expect((await send('POST', '/things', 'a=b', 'application/x-www-form-urlencoded')).statusCode).toBe(415);
    const answer = await send('POST', '/things', JSON.stringify({ name: 'x'.repeat(2000) }), 'application/json');
    expect([answer.statusCode, answer.json()]).toEqual([413, expect.objectContaining({ status: 'payload_too_large' })]);
  });

  it('takes forms where a route does', async () => {
    const form = new FormData();
    form.set('a', 'ü');
    form.set('file', new Blob(['x']), 'x.txt');
    expect(await (await fetch(`${url}/form`, { method: 'POST', body: form })).json()).toEqual({ a: 'ü' });
    expect((await send('POST', '/form', 'a=%C3%BC&a=2', 'application/x-www-form-urlencoded')).json()).toEqual({ a: 'ü' });
    expect((await send('POST', '/form', 'x', 'multipart/form-data; boundary=b')).statusCode).toBe(400);
  });

  it.each(['application/json', 'application/x-www-form-urlencoded', 'nonsense'])(
    'does not mind %s without a body',
    async (type) => {
      expect((await send('DELETE', '/things/1', undefined, type)).statusCode).toBe(200);
      expect((await send('GET', '/things/1', undefined, type)).statusCode).toBe(200);
    },
  );

  it.each([
    ['application/json', '{"name":'],
    ['application/json', Buffer.from([0xff])],
    ['text/xml', '<a/>'],
    ['multipart/form-data', 'x'],
  ])('does not mind %s that cannot be read with DELETE', async (type, body) => {
    expect((await send('DELETE', '/things/1', body, type)).statusCode).toBe(200);
  });

  it('tells unknown paths from unknown methods', async () => {
    expect((await send('GET', '/nothing')).json()).toEqual({ message: 'Not found', status: 'not_found' });
    expect((await send('POST', '/nothing', 'x', 'text/plain')).statusCode).toBe(404);
    const answer = await send('PUT', '/things/1/', '<a/>', 'text/xml');
    expect([answer.statusCode, answer.headers.allow]).toEqual([405, 'GET, HEAD, DELETE, OPTIONS']);
    expect(answer.json()).toMatchObject({ status: 'method_not_allowed' });
    const options = await send('OPTIONS', '/things');
    expect([options.statusCode, options.headers.allow]).toEqual([204, 'POST, OPTIONS']);
    expect((await send('HEAD', '/things/1')).statusCode).toBe(200);
  });

  it.each([
    ...['TRACE', 'PROPFIND', 'QUERY', 'PURGE', 'PATCH', 'MKCOL', 'M-SEARCH', 'LINK', 'CONNECT'],
    ...['FOO', 'get', 'G3T', '!#$%&*+.^_`|~-', 'X'.repeat(200)],
  ])('answers 405 to %s where the path is known, and 404 where it is not', async (method) => {
    for (const [path, allow] of [
      ['/things', 'POST, OPTIONS'],
      ['/things/?a=b', 'POST, OPTIONS'],
      ['/things/1', 'GET, HEAD, DELETE, OPTIONS'],
      ['/things/%2f/', 'GET, HEAD, DELETE, OPTIONS'],
      ['/health/ready', 'GET, HEAD, OPTIONS'],
      ['/metrics/', 'GET, HEAD, OPTIONS'],
    ] as const) {
      for (const body of ['', '{', '<a/>']) {
        const answer = await sendRaw(method, path, body);
        expect([path, answer.status, answer.headers['allow']]).toEqual([path, 405, allow]);
        expect(JSON.parse(answer.body)).toEqual({
          message: `Method not allowed: this path serves ${allow}`,
          status: 'method_not_allowed',
        });
      }
    }
    for (const path of ['/nothing', '/things/1/2']) {
      const answer = await sendRaw(method, path, '');
      expect([answer.status, JSON.parse(answer.body)]).toEqual([404, { message: 'Not found', status: 'not_found' }]);
    }
  });

  it.each(['GET', 'HEAD', 'DELETE', 'PUT'])(
    'answers 405 to %s of a path that looks like an item, and is none',
    async (method) => {
      for (const path of ['/things/count', '/things/count/?a=b']) {
        const answer = await send(method, path);
        expect([path, answer.statusCode, answer.headers.allow]).toEqual([path, 405, 'POST, OPTIONS']);
      }
      expect((await send('POST', '/things/count')).json()).toEqual({ count: 1 });
      expect((await send('GET', '/things/counts')).statusCode).toBe(200);
    },
  );

  it('goes on after a method that the path does not serve', async () => {
    const allow = 'POST, OPTIONS';
    for (const method of ['TRACE', 'PROPFIND', 'QUERY']) {
      expect((await send(method, '/things')).headers['allow']).toBe(allow);
    }
    expect((await send('POST', '/things', '{"name":"x"}', 'application/json')).statusCode).toBe(201);
  });

  it.each(['gzip', 'GZIP', 'x-gzip', 'br', 'deflate, gzip', 'identity, gzip', 'zstd', 'nonsense'])(
    'refuses a body that is encoded as %s, saying what it takes',
    async (encoding) => {
      for (const [path, type] of [
        ['/things', 'application/json'],
        ['/form', 'application/x-www-form-urlencoded'],
      ]) {
        const answer = await app.inject({
          method: 'POST',
          url: path!,
          payload: gzipSync('{"name":"x"}'),
          headers: { 'content-type': type!, 'content-encoding': encoding },
        });
        expect([answer.statusCode, answer.headers['accept-encoding']]).toEqual([415, 'identity']);
        expect(answer.json()).toMatchObject({ status: 'unsupported_media_type' });
      }
      const bare = await app.inject({ method: 'DELETE', url: '/things/1', headers: { 'content-encoding': encoding } });
      expect(bare.statusCode).toBe(200);
    },
  );

  it.each(['identity', 'Identity', '', 'identity, identity'])('takes a body that is encoded as "%s"', async (encoding) => {
    const headers = { 'content-type': 'application/json', 'content-encoding': encoding };
    const answer = await app.inject({ method: 'POST', url: '/things', payload: '{"name":"x"}', headers });
    expect(answer.statusCode).toBe(201);
  });

  it.each([
    ['application/x-www-form-urlencoded', 'name=x'],
    ['application/x-www-form-urlencoded; charset=utf-8', '{"name":"x"}'],
    ['multipart/form-data; boundary=b', '--b\r\ncontent-disposition: form-data; name="name"\r\n\r\nx\r\n--b--\r\n'],
  ])('says what to send instead of %s', async (type, body) => {
    const answer = await send('POST', '/things', body, type);
    expect([answer.statusCode, answer.json()]).toEqual([
      415,
      {
        message: `The request body must be application/json, not ${type.split(';')[0]}: send the fields as a JSON object, with that Content-Type`,
        status: 'unsupported_media_type',
      },
    ]);
  });

  it('answers URLs that cannot be read', async () => {
    const answer = await send('GET', '/things/%ff');
    expect([answer.statusCode, answer.json()]).toEqual([400, expect.objectContaining({ status: 'validation_error' })]);
    expect((await send('GET', `/things/${'x'.repeat(3000)}`)).statusCode).toBe(404);
  });

  it('tells an error of ours from one of a dependency', async () => {
    const internal = await send('GET', '/fails/unexpectedly');
    expect([internal.statusCode, internal.body]).toEqual([500, '{"message":"Internal error","status":"internal_error"}']);
    for (const how of ['refused', 'shutdown']) {
      const answer = await send('GET', `/fails/${how}`);
      expect([answer.statusCode, answer.json()]).toEqual([503, expect.objectContaining({ status: 'unavailable' })]);
    }
    const refusal = await send('GET', '/fails/refusal');
    expect([refusal.statusCode, refusal.headers['retry-after']]).toEqual([429, '3']);
  });

  it('answers what is no HTTP in the same form', async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.end('NONSENSE\r\n\r\n');
    const chunks: Buffer[] = [];
    for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 400 Bad Request[^]*"status":"validation_error"/);
  });

  it('serves health and metrics', async () => {
    expect((await send('GET', '/health/live')).statusCode).toBe(200);
    expect((await send('GET', '/health/ready')).json()).toEqual({ status: 'ready', checks: { thing: 'ok' } });
    ready = false;
    const away = await send('GET', '/health/ready');
    expect([away.statusCode, away.json()]).toEqual([503, { status: 'not_ready', checks: { thing: 'away' } }]);
    ready = true;
    expect((await send('GET', '/metrics')).body).toContain('http_requests_total{method="GET",route="/things/:id",status="2xx"}');
  });

  it('sets security headers', async () => {
    const { headers } = await send('GET', '/things/1');
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
  });

  it('names a port that is taken', async () => {
    await expect(openTestHttp({ port: Number(new URL(url).port) })).rejects.toThrow(/set PRESENCE_PORT to/);
  });
});
