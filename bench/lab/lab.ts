import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { createKafkaBus, type Bus, type BusProducer } from '#bus';
import { TOPICS } from '#contracts';
import { EmbeddedPostgres, migrate } from '#database';
import { createLogger } from '#runtime';
import { Cluster, type ServiceName } from '../../test/support/cluster.js';
import { LocalKafka } from '../../tools/kafka/local-kafka.js';
import type { PostLoop } from '../limits/post-loop.process.js';
import type { Routes } from '../limits/routes.process.js';
import { Child } from './child.js';
import type { Note, ReceiverQuestion } from './receiver.process.js';

const DEADLINE_MS = 120_000;
export const PLATFORM = { appId: 'platform', secret: 'platform-secret' } as const;

/** What differs from production's defaults, and why: limits that are there to refuse, and receivers on loopback. */
export const SETTINGS = { RATE_LIMIT: 'off', AGENT_EVENT_LIMIT: '100000000', LOG_LEVEL: 'warn' } as const;

/** Third parties, in a process of their own. */
export class Receivers {
  private constructor(
    private readonly child: Child,
    readonly origins: readonly string[],
  ) {}

  static async start(count: number): Promise<Receivers> {
    const child = await Child.start('lab/receiver.process');
    return new Receivers(child, await child.ask<string[]>({ do: 'listen', origins: count } satisfies ReceiverQuestion));
  }

  async reset(options: { readonly note?: boolean; readonly hang?: number } = {}): Promise<void> {
    await this.child.ask({ do: 'reset', ...options } satisfies ReceiverQuestion);
  }

  counts(): Promise<number[]> {
    return this.child.ask({ do: 'count' } satisfies ReceiverQuestion);
  }

  notes(): Promise<Note[]> {
    return this.child.ask({ do: 'notes' } satisfies ReceiverQuestion);
  }

  /** Waits until so many requests have come in all. */
  async until(expected: number): Promise<void> {
    const total = async (): Promise<number> => (await this.counts()).reduce((sum, count) => sum + count, 0);
    await until(
      async () => (await total()) >= expected,
      async () => `${await total()} of ${expected} notified`,
    );
  }

  stop(): Promise<void> {
    return this.child.stop();
  }
}

/** One PostgreSQL, one Kafka, and receivers: what the rows are measured on. Nothing is switched off: fsync and acks=all stand. */
export class Lab {
  private readonly stops: (() => Promise<void>)[] = [];
  private databases = 0;

  private constructor(
    readonly postgres: EmbeddedPostgres,
    readonly kafka: LocalKafka,
    readonly receivers: Receivers,
    private readonly postLoop: Child,
  ) {}

  static async start(): Promise<Lab> {
    const stops: (() => Promise<void>)[] = [];
    try {
      const directory = await mkdtemp(join(tmpdir(), 'rollcall-bench-'));
      await chmod(directory, 0o755); // the server may run as another user, and has to enter
      stops.push(() => rm(directory, { recursive: true, force: true }));
      const postgres = await EmbeddedPostgres.start(directory);
      stops.push(() => postgres.stop());
      const kafka = await LocalKafka.start({ say: (line) => process.stderr.write(`${line}\n`) });
      stops.push(() => kafka.stop());
      const receivers = await Receivers.start(5);
      stops.push(() => receivers.stop());
      const postLoop = await Child.start('limits/post-loop.process');
      stops.push(() => postLoop.stop());
      const lab = new Lab(postgres, kafka, receivers, postLoop);
      lab.stops.push(...stops);
      await lab.bareLoop(); // a loop that has not run yet makes half of what it makes then
      return lab;
    } catch (error) {
      for (const stop of stops.reverse()) await stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (const stop of this.stops.reverse()) await stop();
  }

  /** A part of the bench that stops with the lab. */
  async child(script: string): Promise<Child> {
    const child = await Child.start(script);
    this.onStop(() => child.stop());
    return child;
  }

  /** Done when the lab stops, the last first. */
  onStop(stop: () => Promise<void>): void {
    this.stops.push(stop);
  }

  async createTopic(topic: string): Promise<void> {
    const admin = new Kafka({ brokers: this.kafka.brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 12 }] });
    await admin.disconnect();
  }

  /** A migrated database of its own. */
  async createDatabase(): Promise<string> {
    const name = `bench_${++this.databases}`;
    await this.postgres.ensureDatabase(name);
    await migrate(this.postgres.url(name));
    return this.postgres.url(name);
  }

  /** Requests a second of the bare undici loop, at the moment. */
  bareLoop(requests = 40_000): Promise<number> {
    return this.postLoop.ask({ origin: this.receivers.origins[0]!, requests } satisfies PostLoop);
  }
}

/** The three services on the lab's parts, as production starts them. Kafka's names are fixed: one at a time. */
export class System {
  private stopping: Promise<void> | undefined;

  private constructor(
    readonly cluster: Cluster,
    readonly databaseUrl: string,
    readonly pool: pg.Pool,
    readonly bus: Bus,
    readonly producer: BusProducer,
  ) {}

  static async start(lab: Lab): Promise<System> {
    const databaseUrl = await lab.createDatabase();
    const bus = createKafkaBus({
      brokers: lab.kafka.brokers,
      clientId: 'bench',
      partitions: 12,
      logger: createLogger('bench', 'error'),
    });
    await bus.ensureTopics(TOPICS);
    const cluster = await Cluster.startOn(databaseUrl, lab.kafka.brokers, SETTINGS);
    const producer = bus.producer();
    await producer.connect();
    const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
    const system = new System(cluster, databaseUrl, pool, bus, producer);
    lab.onStop(() => system.stop());
    return system;
  }

  /** Safe to call twice. */
  stop(): Promise<void> {
    return (this.stopping ??= this.stopAll());
  }

  private async stopAll(): Promise<void> {
    await this.cluster.stop();
    await this.bus.close();
    await this.pool.end();
  }

  pid(service: ServiceName): number {
    return this.cluster.of(service)[0]!.process.pid;
  }

  /** Does something while services stand still, so that what is prepared waits for them. */
  async whileStopped(services: readonly ServiceName[], work: () => Promise<void>): Promise<void> {
    for (const service of services) process.kill(this.pid(service), 'SIGSTOP');
    try {
      await work();
    } finally {
      for (const service of services) process.kill(this.pid(service), 'SIGCONT');
    }
  }

  untilRecorded(): Promise<void> {
    return untilRecorded(this.pool);
  }

  /** Has the statistics be as they are in a database that has run for a minute: autovacuum's first visit. */
  async settle(): Promise<void> {
    await this.untilPublished();
    await this.pool.query('analyze');
  }

  /** Waits until the relay has published every change, so that no row pays for the one before. */
  async untilPublished(): Promise<void> {
    await until(async () => isEmpty(this.pool, 'presence.outbox'), 'changes are left in the outbox');
    await this.untilRecorded();
  }

  /** Resident memory of a service, in MiB. */
  async memory(service: ServiceName): Promise<number> {
    const status = await readFile(`/proc/${this.pid(service)}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) / 1024;
  }
}

async function isEmpty(pool: pg.Pool, table: 'dispatch.queue' | 'presence.outbox'): Promise<boolean> {
  const { rows } = await pool.query<{ left: boolean }>(`select exists (select from ${table}) as left`);
  return !rows[0]!.left;
}

/** The bare Fastify routes beside a system, on its database. @returns their URL */
export async function bareRoutes(lab: Lab, { databaseUrl }: System): Promise<string> {
  const routes = await lab.child('limits/routes.process');
  return routes.ask({ databaseUrl, poolSize: 10 } satisfies Routes);
}

/** Waits until every delivery is recorded: nothing is left in the queue. */
export async function untilRecorded(pool: pg.Pool): Promise<void> {
  await until(() => isEmpty(pool, 'dispatch.queue'), 'deliveries are left in the queue');
}

async function until(done: () => Promise<boolean>, otherwise: string | (() => Promise<string>)): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(typeof otherwise === 'string' ? otherwise : await otherwise());
    await delay(10);
  }
}

/** Runs something and says how many seconds it took. */
export async function seconds(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}
