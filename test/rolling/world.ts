import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedPostgres } from '#database';
import { LocalKafka } from '../../tools/kafka/local-kafka.js';
import { check, type Report, type Subscriber } from '../chaos/checker.js';
import { RestClient, type Urls } from '../support/client.js';
import { Cluster, type Instance, type ServiceName } from '../support/cluster.js';
import { eventually } from '../support/poll.js';
import type { Environment } from '../support/process.js';
import { RecordingReceiver } from '../support/receiver.js';
import { ServiceProxy } from './service-proxy.js';
import { SteadyLoad } from './steady-load.js';

export const SETTLE_MS = 120_000;

/** A Kafka, a PostgreSQL, instances of the services that come and go, and what stands before them. */
export class RollingWorld {
  readonly clusters: Cluster[] = [];
  private readonly stops: (() => Promise<void>)[] = [];
  private subscribers: Subscriber[] = [];

  private constructor(
    readonly kafka: LocalKafka,
    readonly postgres: EmbeddedPostgres,
    private readonly receiver: RecordingReceiver,
    readonly proxies: Readonly<Record<'subscription-api' | 'presence', ServiceProxy>>,
  ) {}

  static async start(): Promise<RollingWorld> {
    const stops: (() => Promise<void>)[] = [];
    try {
      const directory = await mkdtemp(join(tmpdir(), 'rollcall-rolling-'));
      await chmod(directory, 0o755); // the database server may run as another user
      stops.push(() => rm(directory, { recursive: true, force: true }));
      const kafka = await LocalKafka.start();
      stops.push(() => kafka.stop());
      const postgres = await EmbeddedPostgres.start(directory, ['max_connections=400']);
      stops.push(() => postgres.stop('immediate'));
      await postgres.ensureDatabase('rollcall');
      const receiver = await RecordingReceiver.start();
      stops.push(() => receiver.stop());
      const proxyOf = async (service: ServiceName): Promise<ServiceProxy> => {
        const proxy = await ServiceProxy.start(
          () => world?.clusters.flatMap((cluster) => cluster.of(service).map(({ url }) => url)) ?? [],
        );
        stops.push(() => proxy.stop());
        return proxy;
      };
      let world: RollingWorld | undefined = undefined as RollingWorld | undefined;
      const proxies = { 'subscription-api': await proxyOf('subscription-api'), presence: await proxyOf('presence') };
      world = new RollingWorld(kafka, postgres, receiver, proxies);
      world.stops.push(...stops);
      return world;
    } catch (error) {
      for (const stop of stops.reverse()) await stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (const cluster of this.clusters) await cluster.stop();
    for (const stop of this.stops.reverse()) await stop();
  }

  /** Returns where callers go. */
  get urls(): Urls {
    return { subscriptionApi: this.proxies['subscription-api'].url, presence: this.proxies.presence.url };
  }

  /** Starts one instance of each service. @param root of the tree whose build is started */
  async addCluster(extra: Environment = {}, root?: string): Promise<Cluster> {
    const environment = { RATE_LIMIT: 'off', AGENT_EVENT_LIMIT: '100000', LOG_LEVEL: 'warn', ...extra };
    const cluster = await Cluster.startOn(this.postgres.url(), this.kafka.brokers, environment, root);
    this.clusters.push(cluster);
    await this.followed();
    return cluster;
  }

  /** Starts another instance, and ends this one once there is it. */
  async replace(cluster: Cluster, instance: Instance): Promise<void> {
    await cluster.add(instance.service);
    await this.followed();
    await cluster.remove(instance);
  }

  /** Has every agent notify one URL of both its changes, and the receiver's records go to the load. */
  async subscribe(load: SteadyLoad): Promise<void> {
    this.receiver.answer((request, response) => {
      load.arrived(request);
      response.writeHead(200).end('ok');
    });
    const demo = await RestClient.create(this.urls, 'demo', 'demo-secret');
    for (const agentId of load.agentIds) {
      const path = `/client/@me/agent/local/${agentId}`;
      await demo.api('PUT', path, { extension_name: `${agentId}@example.org` });
      for (const event_type of ['agent-login', 'agent-logout']) {
        const answer = await demo.api('POST', `${path}/event/`, { url: `${this.receiver.url}/hook`, event_type, method: 'POST' });
        if (answer.status !== 201) throw new Error(`agent event: ${answer.status} ${answer.text}`);
      }
    }
    this.subscribers = load.agentIds.map((agentId) => ({ path: '/hook', agentId }));
  }

  /** Waits until all that was accepted has arrived, or time is up, and holds the one against the other. */
  async settle(load: SteadyLoad): Promise<Report> {
    const complete = (): Report => check(load.accepted, this.subscribers, load.arrivals);
    await eventually('everything arrived', () => complete().lost.length === 0, SETTLE_MS).catch(() => undefined);
    await delay(1000); // what must not come gets a moment to come
    return complete();
  }

  /** Waits until the proxies know all that is ready. */
  async followed(): Promise<void> {
    for (const service of ['subscription-api', 'presence'] as const) {
      const all = this.clusters.flatMap((cluster) => cluster.of(service)).length;
      await eventually(`${service} behind its proxy`, () => this.proxies[service].targets.length === all, 60_000);
    }
  }
}

/** Writes a line of what callers and receivers saw. */
export function describeFigures(
  what: string,
  { requests, failed, changes, p50, p99, latest }: ReturnType<SteadyLoad['figures']>,
): string {
  const kinds = [...new Set(failed)].slice(0, 5).join('; ');
  return `${what}: ${requests} requests, ${failed.length} failed${kinds && ` (${kinds})`}; ${changes} changes, p50 ${p50} ms, p99 ${p99} ms, latest ${latest} ms`;
}
