import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AllInOne } from '../test/support/all-in-one.js';
import { fetchToken } from '../test/support/client.js';
import { quantile } from './statistics.js';

/**
 * What one client's flood of telemetry costs another client: contract §7.5. One run of the all-in-one; the other client's single
 * reports alone, and then beside 32 connections that send arrays of 1,000 real changes. `npm run bench:flood`.
 */
const CONNECTIONS = 32;
const SECONDS = 20;
const PAUSE_MS = 20;

async function post(url: string, token: string, items: object | object[]): Promise<number> {
  const response = await fetch(`${url}/telemetry`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(items),
  });
  await response.arrayBuffer();
  return response.status;
}

const item = (client_id: number, agent_id: number, round: number): object => ({
  client_id,
  agent_type: 'local',
  agent_id,
  agent_status: round % 2 === 0 ? 'available' : 'logged_out',
  event_source: 'api',
  extension_name: `${agent_id}@example.org`,
});

/** The flooding client: a process of its own, until it is ended. */
async function flood(url: string, token: string): Promise<void> {
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, connection) => {
      for (let round = 0; ; round++) {
        const items = Array.from({ length: 1000 }, (__, n) => item(1001, connection * 1000 + n, round));
        while ((await post(url, token, items)) !== 200) await delay(1000); // as Retry-After says
      }
    }),
  );
}

async function measure(url: string, token: string): Promise<number[]> {
  const tookMs: number[] = [];
  const end = Date.now() + SECONDS * 1000;
  for (let round = 0; Date.now() < end; round++) {
    const startedAt = performance.now();
    const status = await post(url, token, item(2002, 7, round));
    if (status !== 200) throw new Error(`the other client was answered ${status}`);
    tookMs.push(performance.now() - startedAt);
    await delay(PAUSE_MS);
  }
  return tookMs;
}

async function main(): Promise<void> {
  const system = await AllInOne.start({ RATE_LIMIT: 'off' });
  let flooder: ChildProcess | undefined;
  try {
    const token = await fetchToken(system.urls, 'platform', 'platform-secret');
    const url = system.urls.presence;
    await measure(url, token); // warms up
    const alone = await measure(url, token);
    flooder = fork(fileURLToPath(import.meta.url), [url, token]);
    await delay(3000);
    const beside = await measure(url, token);
    const line = (name: string, tookMs: readonly number[]): string =>
      `${name}  p50 ${Math.round(quantile(tookMs, 0.5))}  p99 ${Math.round(quantile(tookMs, 0.99))}  (${tookMs.length} reports)`;
    process.stdout.write(
      `answers to a client's single reports, ms\n${line('alone         ', alone)}\n${line('beside a flood', beside)}\n`,
    );
  } finally {
    if (flooder) {
      flooder.kill();
      await once(flooder, 'exit');
    }
    await system.remove();
  }
}

const [url, token] = process.argv.slice(2);
await (url !== undefined && token !== undefined ? flood(url, token) : main());
