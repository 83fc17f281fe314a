import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import pg from 'pg';
import { createKafkaBus, type BusProducer } from '#bus';
import { DISPATCHER_GROUP, PRESENCE_GROUP, STATUS_CHANGED_TOPIC, TELEMETRY_TOPIC, TOPICS } from '#contracts';
import { EmbeddedPostgres } from '#database';
import { createLogger } from '#runtime';
import { Cluster, SERVICES, type ServiceName } from '../../test/support/cluster.js';
import type { Urls } from '../../test/support/client.js';
import { migrateCommandOf } from '../../tools/services.js';
import { startBroker } from './broker.js';
import type { Build } from './build.js';
import type { Lab } from './lab.js';
import type { Metered } from './meter.js';
import { ENCRYPTION_KEY, serverOf, BENCH_SETTINGS, until, untilNothingWaits, type Target } from './target.js';

const run = promisify(execFile);

/** Which group reads which topic, from the start of the path to its end. */
const CONSUMERS = [
  { groupId: PRESENCE_GROUP, topic: TELEMETRY_TOPIC },
  { groupId: DISPATCHER_GROUP, topic: STATUS_CHANGED_TOPIC },
] as const;

/** Services of which several instances share the work. */
const SCALED = ['presence', 'dispatcher'] as const;

/**
 * A build's three services as production starts them, on a PostgreSQL and a Kafka of their own: topics and groups have fixed
 * names. Nothing is switched off: fsync and acks=all stand.
 */
export class ThreeServices implements Target {
  private constructor(
    readonly urls: Urls,
    readonly databaseUrl: string,
    readonly pool: pg.Pool,
    readonly brokers: string[],
    readonly producer: BusProducer,
    private readonly servers: Metered['processes'],
    private readonly cluster: Cluster,
    private readonly admin: Admin,
  ) {}

  /**
   * Ends with the lab.
   *
   * @param warmUp requests that the broker is warmed up with
   */
  static async start(lab: Lab, { root }: Build, warmUp: number): Promise<ThreeServices> {
    const postgres = await EmbeddedPostgres.start(await lab.directory());
    lab.onStop(() => postgres.stop());
    await postgres.ensureDatabase('rollcall');
    const databaseUrl = postgres.url('rollcall');
    await run(process.execPath, migrateCommandOf(root), {
      cwd: root,
      env: { ...process.env, DATABASE_URL: databaseUrl },
    });

    const kafka = await startBroker(lab, warmUp);
    const { brokers } = kafka;
    const bus = createKafkaBus({ brokers, clientId: 'bench', partitions: 12, logger: createLogger('bench', 'error') });
    lab.onStop(() => bus.close());
    await bus.ensureTopics(TOPICS);
    const producer = bus.producer();
    await producer.connect();
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    lab.onStop(() => admin.disconnect());

    const cluster = await Cluster.startOn(databaseUrl, brokers, { ...BENCH_SETTINGS, ENCRYPTION_KEY }, root);
    lab.onStop(() => cluster.stop());
    const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
    lab.onStop(() => pool.end());
    const servers = { PostgreSQL: [await serverOf(pool)], Kafka: [kafka] };
    return new ThreeServices(cluster.urls, databaseUrl, pool, brokers, producer, servers, cluster, admin);
  }

  /** Returns the processes of the servers, and of all instances of the services that run now. */
  get processes(): Metered['processes'] {
    const services = SERVICES.map((service) => [service, this.cluster.of(service).map(({ process }) => process)] as const);
    return { ...this.servers, ...Object.fromEntries(services) };
  }

  /** Starts or ends instances until so many of presence and of the dispatcher run. The first of each stays. */
  async scale(instances: number): Promise<void> {
    const changes = SCALED.flatMap((service): Promise<unknown>[] => {
      const running = this.cluster.of(service);
      const missing = Array.from({ length: Math.max(0, instances - running.length) }, () => this.cluster.add(service));
      return [...missing, ...running.slice(instances).map((instance) => this.cluster.remove(instance))];
    });
    await Promise.all(changes);
  }

  pid(service: ServiceName): number {
    return this.cluster.of(service)[0]!.process.pid;
  }

  /** Has services stand still, so that what is prepared waits for them. */
  pause(...services: readonly ServiceName[]): void {
    this.signal(services, 'SIGSTOP');
  }

  resume(...services: readonly ServiceName[]): void {
    this.signal(services, 'SIGCONT');
  }

  private signal(services: readonly ServiceName[], signal: NodeJS.Signals): void {
    for (const service of services) for (const { process } of this.cluster.of(service)) process.signal(signal);
  }

  /** Waits until presence has committed the offsets of all telemetry. */
  untilTelemetryTaken(): Promise<void> {
    return this.untilCommitted(CONSUMERS[0]);
  }

  readonly settled = async (): Promise<void> => {
    for (const consumer of CONSUMERS) {
      await this.untilCommitted(consumer);
      await untilNothingWaits(this.pool);
    }
  };

  /** Waits until a group has committed all that is on its topic now. */
  private async untilCommitted({ groupId, topic }: (typeof CONSUMERS)[number]): Promise<void> {
    const ends = await this.admin.fetchTopicOffsets(topic);
    const behind = async (): Promise<number> => {
      const [committed] = await this.admin.fetchOffsets({ groupId, topics: [topic] });
      const offsets = new Map(committed!.partitions.map(({ partition, offset }) => [partition, Math.max(0, Number(offset))]));
      return ends.reduce((sum, { partition, offset }) => sum + Math.max(0, Number(offset) - (offsets.get(partition) ?? 0)), 0);
    };
    await until(
      async () => (await behind()) === 0,
      async () => `${groupId} has not committed ${await behind()} records of ${topic}`,
    );
  }
}
