import { once } from 'node:events';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLogger, type Cleanup } from '#runtime';
import { startDemoSession } from './demo-session.js';

describe('the demo’s session', () => {
  let api: Server;
  let dataDir: string;
  let undo: Cleanup[];
  let refusals: number;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'rollcall demo '));
    undo = [];
    api = createServer((request, response) => {
      const isRefused = request.url === '/oauth/token' && refusals-- > 0;
      response.writeHead(isRefused ? 503 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(request.url?.includes('/event/') ? [] : { access_token: 'token', agent_status: 'available' }));
    }).listen(0, '127.0.0.1');
    await once(api, 'listening');
  });

  afterEach(async () => {
    for (const step of undo) await step();
    api.closeAllConnections();
    api.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  const startSession = (stopping: AbortSignal): ReturnType<typeof startDemoSession> => {
    const apiUrl = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
    return startDemoSession({ apiUrl, dataDir, logger: createLogger('test', 'silent'), stopping }, undo);
  };

  it('begins also where the database goes away just then', async () => {
    refusals = 3;
    const state = await startSession(new AbortController().signal);
    expect(state).toMatchObject({ agentEvents: [], agentStatus: 'available' });
    await access(join(dataDir, 'demo.curl'));
    await access(join(dataDir, 'platform.curl'));
  });

  it('waits no longer than until the start is called off', async () => {
    refusals = Infinity;
    await expect(startSession(AbortSignal.timeout(300))).rejects.toThrow('HTTP 503');
  });
});
