import { execFile } from 'node:child_process';
import { once } from 'node:events';
import express from 'express';
import fastify from 'fastify';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { notificationHandler, NotificationError, verifyNotification, type Notification } from 'rollcall-receiver';
import { rollcallReceiver } from 'rollcall-receiver/fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { buildRequest, encodePairs, generateSecret, signingKey, type NotifiedChange } from '#webhook';

const run = promisify(execFile);
const secret = generateSecret();
const LOCAL: NotifiedChange = {
  agentStatus: 'available',
  agentType: 'local',
  eventSource: 'api',
  agentId: 136,
  name: '000*094@ringme.ru',
};
const REMOTE: NotifiedChange = { ...LOCAL, agentStatus: 'logged_out', agentType: 'remote', name: '+79161234567' };

function sent(method: 'GET' | 'POST', change = LOCAL, extra: { at?: number; test?: boolean; secret?: string } = {}) {
  const {
    method: verb,
    path,
    headers,
    body,
  } = buildRequest({
    method,
    url: 'http://127.0.0.1/hook?key=1',
    pairs: encodePairs(change),
    id: 'change_7',
    attempt: 2,
    sequence: 42,
    occurredAt: Date.parse('2026-11-22T10:00:00.123Z'),
    at: extra.at ?? Date.now(),
    keys: [signingKey(extra.secret ?? secret)],
    ...(extra.test && { test: true }),
  });
  return { method: verb, url: path, headers, body };
}

const READ: Notification = {
  id: 'change_7',
  attempt: 2,
  sequence: 42,
  occurredAt: new Date('2026-11-22T10:00:00.123Z'),
  isTest: false,
  agentId: 136,
  agentType: 'local',
  agentStatus: 'available',
  eventSource: 'api',
  name: '000*094@ringme.ru',
};

describe('verifyNotification', () => {
  it.each(['GET', 'POST'] as const)('reads a notification by %s', (method) => {
    expect(verifyNotification(sent(method), secret)).toEqual(READ);
    expect(verifyNotification(sent(method, REMOTE, { test: true }), secret)).toEqual({
      ...READ,
      isTest: true,
      agentType: 'remote',
      agentStatus: 'logged_out',
      name: '+79161234567',
    });
  });

  it('takes the body as bytes', () => {
    const request = sent('POST');
    expect(verifyNotification({ ...request, body: Buffer.from(request.body!) }, secret)).toEqual(READ);
  });

  it.each<[what: string, status: number, request: Parameters<typeof verifyNotification>[0]]>([
    ['another secret', 401, sent('GET', LOCAL, { secret: generateSecret() })],
    ['more than 5 minutes ago', 401, sent('GET', LOCAL, { at: Date.now() - 400_000 })],
    ['no signature', 401, { ...sent('GET'), headers: {} }],
    ['pairs in another order', 401, { ...sent('POST'), body: 'agent_id=136&agent_status=available' }],
    ['a query without pairs', 400, { ...sent('GET'), url: '/hook?key=1' }],
  ])('refuses %s with %d', (_what, status, request) => {
    expect(() => verifyNotification(request, secret)).toThrow(
      expect.objectContaining({ name: 'NotificationError', httpStatus: status }) as Error,
    );
    expect(() => verifyNotification(request, secret)).toThrow(NotificationError);
  });
});

describe('a receiver', () => {
  const taken: Notification[] = [];
  const errors: unknown[] = [];
  const onNotification = (notification: Notification): void => void taken.push(notification);
  const options = { secret, onNotification, onError: (error: unknown) => errors.push(error) };
  let stop: () => Promise<unknown>;

  afterEach(async () => {
    taken.length = 0;
    errors.length = 0;
    await stop();
  });

  async function listen(listener: RequestListener): Promise<string> {
    const server: Server = createServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    stop = async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    };
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async function statusOf(base: string, request: ReturnType<typeof sent>): Promise<number> {
    const { method, url, headers, body } = request;
    return (await fetch(base + url, { method, headers, ...(body !== undefined && { body }) })).status;
  }

  async function takesBoth(base: string): Promise<void> {
    expect([await statusOf(base, sent('GET')), await statusOf(base, sent('POST'))]).toEqual([204, 204]);
    expect(taken).toEqual([READ, READ]);
    expect(await statusOf(base, sent('POST', LOCAL, { secret: generateSecret() }))).toBe(401);
    expect([taken.length, errors]).toEqual([2, []]);
  }

  it('is a handler of node:http', async () => {
    const base = await listen((request, response) => void notificationHandler(options)(request, response));
    await takesBoth(base);
    const other = await fetch(base, { method: 'DELETE' });
    expect([other.status, other.headers.get('allow')]).toEqual([405, 'GET, POST']);
    expect((await fetch(base, { method: 'POST', body: 'a'.repeat(70_000) })).status).toBe(413);
  });

  it('answers 500 where the work fails, so that it is sent again, and tells nobody outside why', async () => {
    const fails = notificationHandler({ ...options, onNotification: () => Promise.reject(new Error('the disk is full')) });
    const { url, headers } = sent('GET');
    const answer = await fetch((await listen((request, response) => void fails(request, response))) + url, { headers });
    expect([answer.status, await answer.text()]).toEqual([500, 'The notification could not be taken\n']);
    expect(errors).toEqual([new Error('the disk is full')]);
  });

  it('is a handler of Express, in front of its parsers, below a router, or behind express.raw()', async () => {
    const app = express();
    app.use('/', express.Router().all('/hook', notificationHandler(options)));
    app.use(express.urlencoded());
    await takesBoth(await listen(app));
    await stop();
    taken.length = 0;
    const behind = express();
    behind.use(express.raw({ type: '*/*' }));
    behind.all('/hook', notificationHandler(options));
    await takesBoth(await listen(behind));
  });

  it('says what is wrong where the body was parsed before', async () => {
    const app = express();
    app.use(express.urlencoded());
    app.all('/hook', notificationHandler(options));
    expect(await statusOf(await listen(app), sent('POST'))).toBe(500);
    expect(String(errors[0])).toContain('in front of express.urlencoded()');
  });

  it('is a plugin of Fastify', async () => {
    const app = fastify();
    await app.register(rollcallReceiver, { path: '/hook', secret, onNotification });
    app.post('/json', (request) => request.body);
    stop = () => app.close();
    const base = await app.listen({ port: 0, host: '127.0.0.1' });
    await takesBoth(base);
    const json = await fetch(`${base}/json`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"a":1}',
    });
    expect(await json.json()).toEqual({ a: 1 }); // the application keeps its parsers
  });
});

describe('the package', () => {
  it('can be packed and installed', { timeout: 180_000 }, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rollcall receiver '));
    try {
      await run('npm', ['pack', '--pack-destination', directory], { cwd: join(process.cwd(), 'packages', 'rollcall-receiver') });
      const [archive] = await readdir(directory);
      await writeFile(join(directory, 'package.json'), '{"private":true,"type":"module"}');
      await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `./${archive}`], { cwd: directory });
      await writeFile(
        join(directory, 'use.js'),
        `import { verifyNotification } from 'rollcall-receiver';
         import 'rollcall-receiver/fastify';
         console.log(verifyNotification(JSON.parse(process.argv[2]), process.argv[3]).name);`,
      );
      const { stdout } = await run(process.execPath, ['use.js', JSON.stringify(sent('POST')), secret], { cwd: directory });
      expect(stdout).toBe('000*094@ringme.ru\n');
      const installed = await readdir(join(directory, 'node_modules', 'rollcall-receiver'));
      expect(installed.toSorted()).toEqual(['README.md', 'fastify.d.ts', 'fastify.js', 'index.d.ts', 'index.js', 'package.json']);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
