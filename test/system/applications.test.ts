import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AllInOne, makeDataDirectory } from '../support/all-in-one.js';
import { RestClient } from '../support/client.js';
import { eventually } from '../support/poll.js';

const run = promisify(execFile);

describe('the command for applications', () => {
  let system: AllInOne;

  beforeAll(async () => {
    system = await AllInOne.start();
  });

  afterAll(async () => {
    await system.remove();
  });

  const app = (args: readonly string[], dataDir?: string): ReturnType<typeof cli> => cli(['applications', ...args], dataDir);

  /** Runs the command line as `npm run cli` and the image do. */
  async function cli(
    args: readonly string[],
    dataDir = system.dataDir,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<{ code: number; out: string; error: string }> {
    const main = join(process.cwd(), 'dist', 'apps', 'cli', 'main.js');
    const env = { PATH: process.env['PATH'] ?? '', DATA_DIR: dataDir, ...settings };
    try {
      const { stdout, stderr } = await run(process.execPath, [main, ...args], { env });
      return { code: 0, out: stdout, error: stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, out: stdout, error: stderr };
    }
  }

  it('works on the database of the all-in-one that is running', async () => {
    const created = await app(['create', 'crm', '--client', '77', '--access', 'all', '--json']);
    expect([created.code, created.error]).toEqual([0, '']);
    const { secret } = JSON.parse(created.out) as { secret: string };
    const crm = await RestClient.create(system.urls, 'crm', secret);
    expect((await crm.api('GET', '/user')).json).toMatchObject({ login: 'crm', client_id: 77, admin: false });

    expect((await app(['list'])).out).toMatch(/^app_id +client_id[^]*\nplatform +12 +platform[^]*\ncrm +77 +all /);
    const renewed = JSON.parse((await app(['rotate', 'crm', '--json'])).out) as { secret: string };
    await expect(RestClient.create(system.urls, 'crm', secret)).rejects.toThrow('401');
    await RestClient.create(system.urls, 'crm', renewed.secret);

    expect((await app(['revoke', 'crm'])).code).toBe(0);
    await expect(RestClient.create(system.urls, 'crm', renewed.secret)).rejects.toThrow('401');
    await eventually('401', async () => (await crm.api('GET', '/user')).status === 401, 5000);
    expect((await app(['revoke', 'crm'])).code).toBe(1);
  });

  it('has a sibling that tries the main job on the running product, and says which step went wrong', async () => {
    const { subscriptionApi, presence } = system.urls;
    const smoke = (...args: string[]) => cli(['smoke', '--api', subscriptionApi, '--presence', presence, ...args]);
    for (let time = 0; time < 2; time++) {
      const { code, out, error } = await smoke();
      expect([code, error]).toEqual([0, '']);
      expect(out).toMatch(/Notified after \d+ ms: GET \/\?agent_status=available&[^]*All is well\.\n$/);
    }
    const [apiPort, presencePort, dispatcherPort] = system.serviceUrls.map((url) => new URL(url).port) as [
      string,
      string,
      string,
    ];
    const ports = { SUBSCRIPTION_API_PORT: apiPort, PRESENCE_PORT: presencePort, DISPATCHER_PORT: dispatcherPort };
    expect((await cli(['smoke'], undefined, ports)).code).toBe(0);
    const wrong = await smoke('--secret', 'wrong');
    expect([wrong.code, wrong.error]).toEqual([1, expect.stringContaining('/oauth/token answered 401') as string]);
  });

  it('has its sibling wait until the product is ready, and say what it waits for', async () => {
    const { subscriptionApi, presence } = system.urls;
    let looks = 0;
    const starting = createServer((_, response) => {
      looks += 1;
      response.writeHead(looks > 2 ? 404 : 503).end('{"ready":false,"checks":{"postgresql":"starting"}}');
    }).listen(0, '127.0.0.1');
    await once(starting, 'listening');
    const place = `http://127.0.0.1:${(starting.address() as AddressInfo).port}`;
    const smoke = (...args: string[]) => cli(['smoke', '--presence', presence, ...args]);
    // It is ready, and no subscription-api.
    const late = await smoke('--api', place);
    expect(late.out).toBe(`Waiting for ${place}/health/ready (503: {"ready":false,"checks":{"postgresql":"starting"}}) ...\n`);
    expect([late.code, late.error]).toEqual([1, expect.stringContaining(`${place}/oauth/token answered 404`) as string]);
    starting.closeAllConnections();
    starting.close();
    await once(starting, 'close');
    const never = await smoke('--api', place, '--wait', '0');
    expect(never.error).toMatch(
      /\/health\/ready was not ready within 0 s \(connect ECONNREFUSED [^]+\); is Rollcall running\?\n$/,
    );
    expect(never.code).toBe(1);
    expect((await smoke('--api', subscriptionApi, '--wait', 'long')).code).toBe(2);
  }, 120_000);

  it('has a sibling that looks at the database of the all-in-one, with the key that is set for it', async () => {
    const probe = ['--probe', new URL(system.urls.presence).host];
    const keyOf = async (settings?: Readonly<Record<string, string>>) => {
      const { out } = await cli(['doctor', '--json', ...probe], undefined, settings);
      const { findings } = JSON.parse(out) as { findings: { check: string; status: string }[] };
      return findings.find(({ check }) => check === 'database.encryption_key')?.status;
    };
    expect([await keyOf(), await keyOf({ ENCRYPTION_KEY: 'another than its own' })]).toEqual(['ok', 'error']);
  });

  it('ends with 2 and its help where it is called wrongly, and says what database it needs', async () => {
    const wrong = await app(['create', 'crm']);
    expect([wrong.code, wrong.out]).toEqual([2, '']);
    expect(wrong.error).toMatch(/--client [^]*\nUsage: npm run cli -- applications create/);
    expect((await app(['--help'])).code).toBe(0);
    const empty = await makeDataDirectory();
    const nowhere = await app(['list'], empty);
    await rm(empty, { recursive: true });
    expect([nowhere.code, nowhere.out]).toEqual([1, '']);
    expect(nowhere.error).toMatch(/^DATABASE_URL: is required: .+\n$/);
  });
});
