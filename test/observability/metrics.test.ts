import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { call, RestClient } from '../support/client.js';
import { Cluster, SERVICES } from '../support/cluster.js';
import { eventually } from '../support/poll.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { freePorts } from '../support/process.js';
import { metricsOf } from '../support/promql.js';
import { readAlerts, readQueries } from './observability-files.js';

const CLIENT = '12';
const AGENTS = 10_000;
const URLS = 1000;
/** What one service may cost whoever stores it. */
const MAX_SERIES = 600;
/** Prometheus makes it itself, of each scrape. */
const OF_PROMETHEUS = 'up';

interface Page {
  /** Names of series, such as of a histogram's buckets. */
  readonly names: ReadonlySet<string>;
  readonly series: readonly string[];
}

describe.skipIf(inject('kafkaBrokers').length === 0)('the metrics of three services', () => {
  let database: TestDatabase;
  let cluster: Cluster;
  let platform: RestClient;

  beforeAll(async () => {
    database = await createTestDatabase();
    cluster = await Cluster.startOn(database.url, inject('kafkaBrokers'), {
      KAFKA_PREFIX: `metrics-${randomBytes(4).toString('hex')}.`,
      KAFKA_TOPIC_PARTITIONS: '24',
      RATE_LIMIT: 'off',
      AGENT_EVENT_LIMIT: '2000',
    });
    platform = await RestClient.create(cluster.urls, 'platform', 'platform-secret');
  }, 180_000);

  afterAll(async () => {
    await cluster?.stop();
    await database?.drop();
  }, 60_000);

  async function page(url: string): Promise<Page> {
    const { text, status } = await call(`${url}/metrics`);
    expect(status).toBe(200);
    const series = text.split('\n').filter((line) => /^[a-z]/.test(line));
    // Those that have no series just now are there all the same: what has none until something happens.
    const described = [...text.matchAll(/^# TYPE (\w+) (\w+)/gm)].flatMap(([, name, type]) =>
      type === 'histogram' ? ['_bucket', '_sum', '_count'].map((part) => `${name}${part}`) : [name!],
    );
    return { series, names: new Set(described) };
  }

  const pages = () => Promise.all(cluster.instances.map(({ url }) => page(url)));

  it('are all that alerts and dashboard name', async () => {
    const names = new Set((await pages()).flatMap((one) => [...one.names]));
    const asked = [...(await readAlerts()).map(({ alert, expr }) => ({ title: alert, expr })), ...(await readQueries())];
    expect(asked.length).toBeGreaterThan(40);
    const missing = asked.flatMap(({ title, expr }) =>
      metricsOf(expr)
        .filter((name) => name !== OF_PROMETHEUS && !names.has(name))
        .map((name) => `${title}: ${name}`),
    );
    expect(missing).toEqual([]);
    for (const { title, expr } of asked) expect(metricsOf(expr), title).not.toEqual([]);
  });

  it('tell what is of all instances from one of them', { timeout: 120_000 }, async () => {
    const others = [await cluster.add('presence'), await cluster.add('dispatcher')];
    try {
      const of = (name: string, all: readonly Page[]) =>
        all.flatMap(({ series }) => series.filter((line) => line.startsWith(`${name} `)));
      await eventually(
        'one of each',
        async () => {
          const all = await pages();
          const names = [
            'rollcall_outbox_backlog',
            'rollcall_outbox_oldest_seconds',
            'rollcall_behind_rows',
            'rollcall_oldest_waiting_seconds',
          ];
          return names.every((name) => of(name, all).length === 1);
        },
        60_000,
      );
    } finally {
      for (const other of others) await cluster.remove(other);
    }
  });

  it(
    `are at most ${MAX_SERIES} of a service, after ${AGENTS} agents, ${URLS} urls and every route`,
    { timeout: 300_000 },
    async () => {
      const port = (await freePorts(1))[0]!; // nobody is there
      const urls = Array.from({ length: URLS }, (_, n) => `http://127.1.${Math.floor(n / 250)}.${(n % 250) + 1}:${port}/`);
      const item = (id: number) => ({
        ...{ client_id: CLIENT, agent_type: 'local', agent_id: id, agent_status: 'available', event_source: 'api' },
        extension_name: `${id}@example.com`,
      });
      expect((await platform.telemetry([{ ...item(1), agent_status: 'logged_out' }])).status).toBe(200);
      await inTurns(20, urls, async (url) => {
        const { status } = await platform.api('POST', `/client/${CLIENT}/agent/local/1/event/`, {
          ...{ url, event_type: 'agent-login', method: 'GET' },
        });
        expect(status).toBe(201);
      });
      for (let from = 1; from <= AGENTS; from += 1000) {
        expect((await platform.telemetry(Array.from({ length: 1000 }, (_, n) => item(from + n)))).status).toBe(200);
      }
      await askEveryRoute();
      await eventually(
        'attempts at all urls',
        async () => {
          const [dispatcher] = cluster.of('dispatcher');
          const { series } = await page(dispatcher!.url);
          return sumOf(series, 'rollcall_delivery_attempt_seconds_count') >= URLS;
        },
        120_000,
      );
      const counts = await Promise.all(
        cluster.instances.map(async ({ service, url }) => ({ service, series: (await page(url)).series.length })),
      );
      process.stderr.write(`series: ${counts.map(({ service, series }) => `${service} ${series}`).join(', ')}\n`);
      expect(counts).toHaveLength(SERVICES.length);
      for (const { service, series } of counts) expect(series, service).toBeLessThanOrEqual(MAX_SERIES);
    },
  );

  /** Each with a token and without, with ids that are there and that are none. */
  async function askEveryRoute(): Promise<void> {
    const { json } = await call(`${cluster.urls.subscriptionApi}/api/openapi.json`);
    const { paths } = json as { paths: Record<string, Record<string, object>> };
    const requests = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).flatMap((method) =>
        ['1', 'none'].flatMap((id) => {
          const filled = path
            .replace('{type}', 'local')
            .replace('{client_id}', CLIENT)
            .replaceAll(/\{\w+\}/g, id);
          return [true, false].map((isKnown) => ({ url: `${cluster.urls.subscriptionApi}${filled}`, method, isKnown }));
        }),
      ),
    );
    expect(requests.length).toBeGreaterThan(200);
    // What deletes comes last, so that the others find something.
    requests.sort((a, b) => Number(a.method === 'delete') - Number(b.method === 'delete'));
    await inTurns(10, requests, async ({ url, method, isKnown }) => {
      const response = await fetch(url, {
        method: method.toUpperCase(),
        headers: isKnown ? { authorization: `Bearer ${platform.token}` } : {},
      });
      await response.body?.cancel(); // streams have no end
    });
    for (const method of ['PATCH', 'PROPFIND', 'REPORT', 'LOCK', 'MKCOL']) {
      await call(`${cluster.urls.subscriptionApi}/api/ver1.0/nothing`, { method });
    }
  }
});

function sumOf(series: readonly string[], name: string): number {
  return series.reduce((sum, line) => (line.startsWith(name) ? sum + Number(line.slice(line.lastIndexOf(' '))) : sum), 0);
}

/** Does work for each of some things, so many at a time. */
async function inTurns<T>(atOnce: number, things: readonly T[], work: (thing: T) => Promise<void>): Promise<void> {
  const left = things.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const thing of left) await work(thing);
    }),
  );
}
