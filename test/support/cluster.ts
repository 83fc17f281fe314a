import { SERVICE_ENVIRONMENT } from '../../tools/services.js';
import type { Urls } from './client.js';
import { freePorts, ServiceProcess, type Environment } from './process.js';

export const SERVICES = ['subscription-api', 'presence', 'dispatcher'] as const;
export type ServiceName = (typeof SERVICES)[number];

const PORT_SETTING: Readonly<Record<ServiceName, string>> = {
  'subscription-api': 'SUBSCRIPTION_API_PORT',
  presence: 'PRESENCE_PORT',
  dispatcher: 'DISPATCHER_PORT',
};

const APPLICATIONS = JSON.stringify([
  { app_id: 'demo', secret: 'demo-secret', client_id: 12, access: 'all' },
  { app_id: 'platform', secret: 'platform-secret', client_id: 12, access: 'platform' },
]);

/** One instance of a service, and where it answers. */
export interface Instance {
  readonly service: ServiceName;
  readonly url: string;
  process: ServiceProcess;
}

/** The services as separate processes on real Kafka and PostgreSQL, as production starts them. */
export class Cluster {
  readonly instances: Instance[] = [];

  private constructor(
    private readonly environment: Environment,
    private readonly root: string | undefined,
  ) {}

  /**
   * Starts one instance of each service.
   *
   * @param databaseUrl a migrated database
   * @param brokers Kafka that is used by nobody else: topics and groups have fixed names
   * @param root of the tree whose build is started; this one unless given
   */
  static async startOn(
    databaseUrl: string,
    brokers: readonly string[],
    extra: Environment = {},
    root?: string,
  ): Promise<Cluster> {
    const environment = {
      DATABASE_URL: databaseUrl,
      KAFKA_BROKERS: brokers.join(','),
      BOOTSTRAP_APPS: APPLICATIONS,
      ALLOW_DESTINATIONS: '127.0.0.0/8,::1',
      ...extra,
    };
    const cluster = new Cluster(environment, root);
    try {
      const started = await Promise.all(SERVICES.map((service) => cluster.launch(service)));
      await Promise.all(started.map((instance) => instance.process.ready(instance.url)));
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** Starts one more instance of a service and waits until it is ready. */
  async add(service: ServiceName): Promise<Instance> {
    const instance = await this.launch(service);
    await instance.process.ready(instance.url);
    return instance;
  }

  /** Starts an instance that ended again, where it was. */
  async restart(instance: Instance): Promise<void> {
    instance.process = this.spawn(instance.service, new URL(instance.url).port);
    await instance.process.ready(instance.url);
  }

  /** Ends an instance for good. */
  async remove(instance: Instance): Promise<void> {
    this.instances.splice(this.instances.indexOf(instance), 1);
    await instance.process.stop();
  }

  /** Lists the instances whose process runs; there may be none for a moment, then those that are down. */
  running(service: ServiceName): Instance[] {
    const all = this.of(service);
    const up = all.filter(({ process }) => process.running);
    return up.length > 0 ? up : all;
  }

  of(service: ServiceName): Instance[] {
    return this.instances.filter((instance) => instance.service === service);
  }

  get urls(): Urls {
    return { subscriptionApi: this.of('subscription-api')[0]!.url, presence: this.of('presence')[0]!.url };
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.instances.map(async ({ process }) => {
        process.signal('SIGCONT');
        await process.stop();
      }),
    );
  }

  private async launch(service: ServiceName): Promise<Instance> {
    const [port] = await freePorts(1);
    const process = this.spawn(service, String(port));
    const instance: Instance = { service, url: `http://127.0.0.1:${port}`, process };
    this.instances.push(instance);
    return instance;
  }

  private spawn(service: ServiceName, port: string): ServiceProcess {
    const environment = { ...SERVICE_ENVIRONMENT, ...this.environment, [PORT_SETTING[service]]: port };
    return ServiceProcess.start(service, environment, { root: this.root });
  }
}
