import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AllInOne } from '../support/all-in-one.js';
import { call, RestClient } from '../support/client.js';
import { eventually } from '../support/poll.js';
import { ServiceProcess } from '../support/process.js';

const run = promisify(execFile);

interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

describe('all-in-one', () => {
  let system: AllInOne;

  beforeAll(async () => {
    system = await AllInOne.start();
  });

  afterAll(async () => {
    await system.remove();
  });

  async function received(): Promise<Received[]> {
    return (await call(`${system.receiverUrl}/received`)).json as Received[];
  }

  it('does the main job with the three lines that it prints', async () => {
    const lines = system.process.output.split('\n').filter((line) => line.startsWith('curl '));
    expect(lines).toHaveLength(3);
    const [add, login, look] = lines as [string, string, string];

    const added = JSON.parse((await run('sh', ['-c', add])).stdout) as Record<string, unknown>;
    expect(Object.keys(added)).toEqual(['url', 'id', 'method', 'event_type']);
    const [result] = JSON.parse((await run('sh', ['-c', login])).stdout) as { result: string; sequence: number }[];
    expect(result).toEqual({ result: 'changed', sequence: 1 });

    const [notification] = await eventually('the notification', async () => {
      const seen = JSON.parse((await run('sh', ['-c', look])).stdout) as Received[];
      return seen.length > 0 && seen;
    });
    expect(notification).toMatchObject({
      method: 'GET',
      url: '/login?agent_status=available&agent_type=local&event_source=api&agent_id=136&extension_name=000*094%40ringme.ru',
      body: '',
    });
    expect(system.process.output).toMatch(/received {2}GET \/login\?agent_status=available/);
  });

  it('keeps its state over a restart, and ends with 0', async () => {
    expect(await system.process.stop()).toBe(0);
    await system.restart();
    const demo = await RestClient.create(system.urls, 'demo', 'demo-secret');
    const agent = await demo.api('GET', '/client/@me/agent/local/136');
    expect(agent.json).toMatchObject({ id: 136, agent_status: 'available', sequence: 1 });
    expect((await demo.api('GET', '/client/12/agent/local/136/event/')).json).toHaveLength(1);
  });

  it('starts after kill -9, with the PostgreSQL that was left behind still running', async () => {
    expect(await system.process.stop('SIGKILL')).toBe('SIGKILL');
    await system.restart();
    const platform = await RestClient.create(system.urls, 'platform', 'platform-secret');
    const report = { client_id: '12', agent_type: 'local', agent_id: 136, event_source: 'phone' };
    const answer = await platform.telemetry([
      { ...report, agent_status: 'logged_out' },
      { ...report, agent_status: 'available' },
    ]);
    expect(answer.json).toEqual([
      { result: 'changed', sequence: 2 },
      { result: 'changed', sequence: 3 },
    ]);
    await eventually('the second login', async () => (await received()).some(({ url }) => url.includes('event_source=phone')));
  });

  it('says in one line that the data directory is in use', async () => {
    const second = ServiceProcess.start('all-in-one', system.environment);
    expect(await second.exited()).toBe(1);
    expect(second.output.trim()).toBe(
      `Rollcall is already running on ${system.dataDir}: stop it, or set DATA_DIR to another directory.`,
    );
  });

  it('says in one line that a port is taken', async () => {
    const { port } = new URL(system.urls.presence);
    const second = ServiceProcess.start('all-in-one', {
      ...system.environment,
      DATA_DIR: `${system.dataDir}/other`,
      SUBSCRIPTION_API_PORT: '0',
    });
    expect(await second.exited()).toBe(1);
    expect(second.output.trim()).toBe(`Port ${port} is taken: stop what uses it, or set PRESENCE_PORT to another port.`);
  });

  it('names a setting that is wrong', async () => {
    const second = ServiceProcess.start('all-in-one', { ...system.environment, DELIVERY_WINDOW: 'tomorrow' });
    expect(await second.exited()).toBe(1);
    expect(second.output.trim()).toBe('DELIVERY_WINDOW: "tomorrow" is not a duration such as 500ms, 10s, 2m or 24h');
  });

  it('changes the demo receiver’s answer', async () => {
    await call(`${system.receiverUrl}/mode`, { method: 'POST', body: '{"status": 503}' });
    expect((await call(`${system.receiverUrl}/anything`)).status).toBe(503);
    await call(`${system.receiverUrl}/mode`, { method: 'POST', body: '{"status": 200}' });
    expect((await call(`${system.receiverUrl}/anything`, { method: 'POST', body: 'a=1' })).status).toBe(200);
    expect((await received()).slice(-2)).toMatchObject([
      { method: 'GET', url: '/anything' },
      { method: 'POST', url: '/anything', body: 'a=1' },
    ]);
    expect((await call(`${system.receiverUrl}/mode`, { method: 'POST', body: '{"status": "x"}' })).status).toBe(400);
  });
});

describe('all-in-one off loopback', () => {
  it('makes no demo applications', async () => {
    const system = await AllInOne.start({ HOST: '0.0.0.0' });
    try {
      expect(system.process.output).toContain('The demo applications are not made');
      const token = await call(`${system.urls.subscriptionApi}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'demo', client_secret: 'demo-secret' }),
      });
      expect(token.status).toBe(401);
      await expect(fetch(`${system.receiverUrl}/received`)).rejects.toThrow();
    } finally {
      await system.remove();
    }
  });
});
