import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKafkaBus } from '#bus';
import { TELEMETRY_TOPIC } from '#contracts';
import { EmbeddedPostgres, migrate } from '#database';
import { createLogger } from '#runtime';
import { LocalKafka } from '../../tools/kafka/local-kafka.js';
import { makeDataDirectory } from '../support/all-in-one.js';
import { RestClient } from '../support/client.js';
import { Cluster, SERVICES } from '../support/cluster.js';
import { eventually } from '../support/poll.js';
import { NO_PROMETHEUS, PrometheusServer } from '../support/prometheus.js';
import { hasten, hastened } from '../support/promql.js';
import { RecordingReceiver } from '../support/receiver.js';
import { readAlerts } from './observability-files.js';

/** Time runs so many times as fast: 15 minutes of a rule are 15 seconds. What is compared with seconds stays as it is. */
const SPEED = 60;
const PATIENCE_MS = 180_000;
const CLIENT = '12';

/**
 * Services are broken, and a real Prometheus that looks at them has the alerts fire, and be quiet after the repair: `npm run test:alerts`. It
 * breaks a broker and a database of its own, and takes minutes, so it is no part of `npm test`.
 */
const skipped = process.env['ALERTS'] !== 'long' || NO_PROMETHEUS !== false || (await LocalKafka.missing()) !== undefined;

describe.skipIf(skipped)('a real Prometheus', { timeout: 3 * PATIENCE_MS }, () => {
  let directory: string;
  let postgres: EmbeddedPostgres;
  let kafka: LocalKafka;
  let cluster: Cluster;
  let receiver: RecordingReceiver;
  let platform: RestClient;
  let prometheus: PrometheusServer;
  let nextAgent = 1;
  const took: Record<string, string> = {};

  beforeAll(async () => {
    directory = await makeDataDirectory();
    kafka = await LocalKafka.start();
    postgres = await EmbeddedPostgres.start(directory, []);
    await postgres.ensureDatabase('rollcall');
    await migrate(postgres.url());
    receiver = await RecordingReceiver.start();
    cluster = await Cluster.startOn(postgres.url(), kafka.brokers, {
      DELIVERY_RETRY_SCHEDULE: '100ms,100ms',
      DELIVERY_WINDOW: '10m',
    });
    platform = await RestClient.create(cluster.urls, 'platform', 'platform-secret');
    const rules = (await readAlerts()).map((rule) => ({
      ...rule,
      expr: hasten(rule.expr, SPEED),
      ...(rule.for !== undefined && { for: hastened(rule.for, SPEED) }),
    }));
    const targets = Object.fromEntries(SERVICES.map((service) => [service, cluster.of(service).map(({ url }) => url)]));
    prometheus = await PrometheusServer.start(targets, { groups: [{ name: 'rollcall', rules }] });
  }, 300_000);

  afterAll(async () => {
    process.stderr.write(
      `${Object.entries(took)
        .map(([alert, times]) => `${alert}: ${times}`)
        .join('\n')}\n`,
    );
    await prometheus?.stop();
    await cluster?.stop();
    await receiver?.stop();
    await postgres?.discard();
    await kafka?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  }, 120_000);

  const names = async () => new Set((await prometheus.firing()).map(({ labels }) => labels['alertname']!));

  /** Breaks something until some alerts fire, mends it, and waits until all are quiet. */
  async function expectAlerts(
    alerts: readonly string[],
    { breaks, mends }: { breaks: () => Promise<void>; mends?: () => Promise<void> },
  ) {
    await eventually('quiet before', async () => (await names()).size === 0, PATIENCE_MS);
    const brokenAt = Date.now();
    await breaks();
    const left = new Set(alerts);
    await eventually(
      `${alerts.join(', ')} fire`,
      async () => {
        for (const alert of await names()) {
          if (!left.delete(alert)) continue;
          took[alert] = `fired after ${Math.round((Date.now() - brokenAt) / 1000)} s`;
        }
        return left.size === 0;
      },
      PATIENCE_MS,
    );
    for (const { labels, annotations } of await prometheus.firing()) {
      expect(annotations['summary'], labels['alertname']).not.toMatch(/\{\{|<no value>|<error/);
    }
    await mends?.();
    const mendedAt = Date.now();
    await eventually('quiet after', async () => (await names()).size === 0, PATIENCE_MS);
    for (const alert of alerts) took[alert] += `, quiet ${Math.round((Date.now() - mendedAt) / 1000)} s after the repair`;
  }

  async function logIn(agentId = nextAgent++): Promise<number> {
    const item = { client_id: CLIENT, agent_type: 'local', agent_id: agentId, extension_name: 'a', event_source: 'api' };
    const { status, text } = await platform.telemetry({ ...item, agent_status: 'available' });
    if (status !== 200 || !text.includes('changed')) throw new Error(`not changed: ${text}`);
    return agentId;
  }

  it('tells of telemetry that nobody can use', async () => {
    const bus = createKafkaBus({
      brokers: kafka.brokers,
      clientId: 'test',
      partitions: 12,
      logger: createLogger('test', 'silent'),
    });
    try {
      await expectAlerts(['RollcallTelemetryDeadLetters'], {
        breaks: () => bus.producer().send(TELEMETRY_TOPIC, [{ key: 'a', value: 'no telemetry' }]),
      });
    } finally {
      await bus.close();
    }
  });

  it('tells of deliveries that failed for good', async () => {
    const id = nextAgent++;
    await platform.api('PUT', `/client/${CLIENT}/agent/local/${id}`, { extension_name: 'a' });
    const event = { url: receiver.url, event_type: 'agent-login', method: 'POST' };
    expect((await platform.api('POST', `/client/${CLIENT}/agent/local/${id}/event/`, event)).status).toBe(201);
    receiver.answer((_request, response) => response.writeHead(500).end());
    await expectAlerts(['RollcallDeliveriesFailed'], { breaks: async () => void (await logIn(id)) });
  });

  it('tells of a service that does not answer', async () => {
    const dispatcher = cluster.of('dispatcher')[0]!;
    await expectAlerts(['RollcallServiceDown'], {
      breaks: async () => void (await dispatcher.process.stop('SIGKILL')),
      mends: () => cluster.restart(dispatcher),
    });
  });

  it('tells of a broker that is away, and of what waits for it', async () => {
    await expectAlerts(['RollcallDependencyDown', 'RollcallOutboxOld'], {
      breaks: async () => {
        await kafka.kill();
        await logIn();
      },
      mends: () => kafka.restart(),
    });
  });

  it('tells of a database that is away, of shards without owner and of requests that fail', async () => {
    let isAway = true;
    const ask = async (): Promise<void> => {
      while (isAway) {
        await platform.api('GET', '/user');
        await delay(200); // a client like any other
      }
    };
    const asking = ask();
    try {
      await expectAlerts(['RollcallDependencyDown', 'RollcallShardsWithoutOwner', 'RollcallRequestsFail'], {
        breaks: () => postgres.stop('immediate'),
        mends: () => postgres.restart(),
      });
    } finally {
      isAway = false;
      await asking;
    }
  });
});
