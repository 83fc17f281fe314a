import { setTimeout as delay } from 'node:timers/promises';
import { AllInOne } from '../test/support/all-in-one.js';
import { RestClient } from '../test/support/client.js';
import { RecordingReceiver } from '../test/support/receiver.js';
import { quantile } from './statistics.js';

/**
 * What dead endpoints cost the others: contract §7.5. One run of the all-in-one, the same load twice: all endpoints well,
 * and then one in five hanging until the timeout. `npm run bench:isolation`.
 */
const AGENTS = 200;
const CHANGES_PER_SECOND = 200;
const SECONDS = 20;
const ORIGINS = 10;

interface Phase {
  readonly p50: number;
  readonly p99: number;
  readonly notified: number;
  readonly expected: number;
}

async function measure(system: AllInOne, receivers: readonly RecordingReceiver[], hanging: number): Promise<Phase> {
  const platform = await RestClient.create(system.urls, 'platform', 'platform-secret');
  const well = receivers.slice(hanging);
  receivers.slice(0, hanging).forEach((receiver) => receiver.answer(() => undefined));
  const before = well.reduce((sum, receiver) => sum + receiver.requests.length, 0);
  const sentAt = new Map<string, number>();
  const sends: Promise<void>[] = [];
  const startedAt = Date.now();
  for (let nth = 0; nth < CHANGES_PER_SECOND * SECONDS; nth++) {
    const due = startedAt + (nth * 1000) / CHANGES_PER_SECOND;
    if (Date.now() < due) await delay(due - Date.now());
    const agent_id = 1000 + (nth % AGENTS);
    const agent_status = Math.floor(nth / AGENTS) % 2 === 0 ? 'available' : 'logged_out';
    const sent = Date.now();
    const item = { client_id: '12', agent_type: 'local', agent_id, agent_status, event_source: 'api' };
    sends.push(
      platform.telemetry(item).then((answer) => {
        const [result] = answer.json as { result: string; sequence: number }[];
        if (result?.result === 'changed') sentAt.set(`${agent_id}:${result.sequence}`, sent);
      }),
    );
  }
  await Promise.all(sends);
  const isWell = (agentId: number): boolean => agentId % ORIGINS >= hanging;
  const expected = [...sentAt.keys()].filter((key) => isWell(Number(key.split(':')[0]))).length;
  const seen = (): number => well.reduce((sum, receiver) => sum + receiver.requests.length, 0) - before;
  for (const deadline = Date.now() + 30_000; seen() < expected && Date.now() < deadline;) await delay(20);
  const latencies = well
    .flatMap((receiver) => receiver.requests)
    .flatMap(({ url, headers, at }) => {
      const sent = sentAt.get(`${new URLSearchParams(url.split('?')[1]).get('agent_id')}:${String(headers['webhook-sequence'])}`);
      return sent === undefined ? [] : [at - sent];
    });
  return { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), notified: latencies.length, expected };
}

const receivers = await Promise.all(Array.from({ length: ORIGINS }, () => RecordingReceiver.start()));
const system = await AllInOne.start({ AGENT_EVENT_LIMIT: '100000', RATE_LIMIT: 'off' });
try {
  const demo = await RestClient.create(system.urls, 'demo', 'demo-secret');
  for (let agentId = 1000; agentId < 1000 + AGENTS; agentId++) {
    await demo.api('PUT', `/client/@me/agent/local/${agentId}`, { extension_name: `${agentId}@example.org` });
    for (const event_type of ['agent-login', 'agent-logout']) {
      const url = `${receivers[agentId % ORIGINS]!.url}/${agentId}`;
      await demo.api('POST', `/client/@me/agent/local/${agentId}/event/`, { url, event_type, method: 'GET' });
    }
  }
  await measure(system, receivers, 0); // warms up
  const without = await measure(system, receivers, 0);
  const withHanging = await measure(system, receivers, ORIGINS / 5);
  process.stdout.write(
    [
      `${CHANGES_PER_SECOND} changes/s for ${SECONDS} s, ${AGENTS} agents on ${ORIGINS} origins; latency of the endpoints that are well, ms`,
      `all well             p50 ${without.p50}  p99 ${without.p99}  (${without.notified} of ${without.expected} notified)`,
      `one in five hanging  p50 ${withHanging.p50}  p99 ${withHanging.p99}  (${withHanging.notified} of ${withHanging.expected} notified)`,
      '',
    ].join('\n'),
  );
} finally {
  await system.remove();
  await Promise.all(receivers.map((receiver) => receiver.stop()));
}
