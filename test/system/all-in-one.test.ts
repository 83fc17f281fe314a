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

  /** The lines to paste, each run in a shell of its own. */
  async function paste(): Promise<{ first: unknown[]; results: unknown; look: () => Promise<Received[]> }> {
    await eventually('the banner', () => system.process.output.includes('Ctrl-C stops it.'));
    const lines = system.process.output.split('\n').filter((line) => line.startsWith('curl '));
    expect(lines).toHaveLength(3);
    const shell = async (line: string): Promise<string> => (await run('sh', ['-c', line])).stdout;
    const [first, report, look] = lines as [string, string, string];
    const answers = (await shell(first)).split('\n').filter((line) => line !== '');
    return {
      first: answers.map((answer) => JSON.parse(answer) as unknown),
      results: JSON.parse(await shell(report)),
      look: async () => JSON.parse(await shell(look)) as Received[],
    };
  }

  const pairs = (status: string) =>
    `agent_status=${status}&agent_type=local&event_source=api&agent_id=136&extension_name=000*094%40ringme.ru`;

  it('does the main job with the three lines that it prints', async () => {
    const { first, results, look } = await paste();
    expect(first).toEqual([
      { url: `${system.receiverUrl}/login`, id: 1, method: 'GET', event_type: 'agent-login' },
      { url: `${system.receiverUrl}/logout`, id: 2, method: 'POST', event_type: 'agent-logout' },
    ]);
    expect(results).toEqual([
      { result: 'changed', sequence: 1 },
      { result: 'changed', sequence: 2 },
    ]);
    const seen = await look(); // the line waits for both
    const byPath = seen.toSorted((a, b) => a.url.localeCompare(b.url));
    expect(byPath).toMatchObject([
      { method: 'GET', url: `/login?${pairs('available')}`, body: '' },
      { method: 'POST', url: '/logout', body: pairs('logged_out') },
    ]);
    expect(system.process.output).toMatch(/received {2}GET \/login\?agent_status=available/);
  });

  it('does it again when they are pasted again, without the same agent events once more', async () => {
    await call(`${system.receiverUrl}/received`, { method: 'DELETE' });
    const { first, results, look } = await paste();
    expect(first).toMatchObject([{ event_type: 'agent-login' }, { event_type: 'agent-logout' }]);
    expect(results).toEqual([
      { result: 'changed', sequence: 3 },
      { result: 'changed', sequence: 4 },
    ]);
    const seen = await eventually('both notifications', async () => {
      const requests = await look();
      return requests.length >= 2 && requests;
    });
    expect(seen.map(({ url }) => url).toSorted()).toEqual([`/login?${pairs('available')}`, '/logout']);
    const demo = await RestClient.create(system.urls, 'demo', 'demo-secret');
    expect((await demo.api('GET', '/client/12/agent/local/136/event/')).json).toHaveLength(2);
  });

  it('keeps its state over a restart, ends with 0, and says so', async () => {
    expect(await system.process.stop()).toBe(0);
    expect(system.process.output).toMatch(/Stopping[^]*Rollcall has stopped\.\n$/);
    await system.restart();
    const demo = await RestClient.create(system.urls, 'demo', 'demo-secret');
    const agent = await demo.api('GET', '/client/@me/agent/local/136');
    expect(agent.json).toMatchObject({ id: 136, agent_status: 'logged_out', sequence: 4 });
    expect((await demo.api('GET', '/client/12/agent/local/136/event/')).json).toHaveLength(2);
  });

  it('prints lines that fit what is there after a restart, whatever status the agent has', async () => {
    const platform = await RestClient.create(system.urls, 'platform', 'platform-secret');
    const login = { client_id: '12', agent_type: 'local', agent_id: 136, agent_status: 'available', event_source: 'api' };
    expect((await platform.telemetry(login)).json).toEqual([{ result: 'changed', sequence: 5 }]);
    await system.process.stop();
    await system.restart();
    const { first, results, look } = await paste();
    expect(first).toEqual([[expect.objectContaining({ event_type: 'agent-login' }), expect.objectContaining({ id: 4 })]]);
    expect(results).toEqual([
      { result: 'changed', sequence: 6 },
      { result: 'changed', sequence: 7 },
    ]);
    await eventually('both notifications, once each', async () => (await look()).length === 2);
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
      { result: 'changed', sequence: 8 },
      { result: 'changed', sequence: 9 },
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
