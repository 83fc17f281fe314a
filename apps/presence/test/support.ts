import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { Pool } from '#database';
import type { BusMessage, BusProducer } from '#bus';
import { createDataSource, poolOf } from '#database';
import { PresenceMetrics } from '../src/metrics.js';
import { OutboxRelay } from '../src/relay/outbox.relay.js';
import { TelemetryService, type ChangeListener } from '../src/telemetry/telemetry.service.js';

export const SILENT = pino({ level: 'silent' });

/** Nobody publishes in this process; what others are notified of is left out too. */
export const NO_RELAY: ChangeListener = {
  ownShards: () => Array.from({ length: 16 }, (_, shard) => shard),
  offer: () => undefined,
};

/** One process's connections to a database and the broker, and what runs on them. */
export class Instance {
  private alive = true;

  private constructor(
    readonly pool: Pool,
    readonly close: () => Promise<void>,
  ) {}

  /** Lets nothing leave this process any more from now on. */
  kill(): void {
    this.alive = false;
    const gone = (): Promise<never> => Promise.reject(new Error('the process is gone'));
    Object.assign(this.pool, { query: gone, connect: gone });
  }

  static async connect(url: string, poolSize = 4): Promise<Instance> {
    const dataSource = await createDataSource({ url, applicationName: 'test', poolSize }).initialize();
    let closed: Promise<void> | undefined;
    return new Instance(poolOf(dataSource), () => (closed ??= dataSource.destroy()));
  }

  /**
   * @param before called with the name of each statement, which is sent when it is done
   * @param clock what the service takes for the database's
   */
  telemetry(
    relay: ChangeListener = NO_RELAY,
    before?: (statement: string) => unknown,
    clock: { now(): number } = Date,
  ): TelemetryService {
    const query = async (config: { name: string }): Promise<unknown> => {
      await before?.(config.name.replace('presence_', ''));
      return this.pool.query(config as never);
    };
    const pool = before ? ({ query } as unknown as Pool) : this.pool;
    return new TelemetryService({ pool, relay, clock, metrics: new PresenceMetrics(new Registry()), logger: SILENT });
  }

  /** Makes a relay whose leases a test can see expire. */
  relay(topic: Pick<RecordingTopic, 'producer'>, leaseTimes = { leaseMs: 1500, renewMs: 100 }): OutboxRelay {
    const producer = topic.producer(() => this.alive);
    const metrics = new PresenceMetrics(new Registry());
    return new OutboxRelay({ pool: this.pool, producer, instance: randomUUID(), metrics, logger: SILENT, leaseTimes });
  }
}

/** A topic that several producers write to, and that can be told to refuse. */
export class RecordingTopic {
  readonly records: BusMessage[] = [];
  refusals = 0;

  /** @param isAlive a producer of a killed process writes nothing more */
  producer(isAlive: () => boolean = () => true): BusProducer {
    return {
      connect: () => Promise.resolve(),
      disconnect: () => Promise.resolve(),
      send: async (_topic, messages) => {
        await new Promise((resolve) => setImmediate(resolve));
        if (!isAlive()) throw new Error('the process is gone');
        if (this.refusals > 0) {
          this.refusals -= 1;
          // As a broker may: a part has been written.
          this.records.push(...messages.slice(0, messages.length / 2));
          throw new Error('the broker is away');
        }
        this.records.push(...messages);
      },
    };
  }

  /** Returns the ids of an agent's changes in the order of their first appearance, and their sequences. */
  changesByAgent(): Map<string, { ids: string[]; sequences: number[] }> {
    const agents = new Map<string, { ids: string[]; sequences: number[] }>();
    for (const { key, value, headers } of this.records) {
      const agent = agents.get(String(key)) ?? { ids: [], sequences: [] };
      agents.set(String(key), agent);
      const id = headers!['ce_id']!;
      if (agent.ids.includes(id)) continue;
      agent.ids.push(id);
      agent.sequences.push((JSON.parse(String(value)) as { sequence: number }).sequence);
    }
    return agents;
  }
}

/** A way to a database that can be cut: what an outage looks like from here. */
export class Gate {
  private readonly sockets = new Set<Socket>();
  private server = createServer();
  private port = 0;

  private constructor(private readonly target: URL) {}

  static async to(databaseUrl: string): Promise<Gate> {
    const gate = new Gate(new URL(databaseUrl));
    await gate.open();
    return gate;
  }

  get url(): string {
    const url = new URL(this.target);
    url.host = `127.0.0.1:${this.port}`;
    return url.toString();
  }

  async open(): Promise<void> {
    this.server = createServer((inner) => {
      const outer = connect(Number(this.target.port), this.target.hostname);
      for (const [socket, other] of [
        [inner, outer],
        [outer, inner],
      ] as const) {
        this.sockets.add(socket);
        socket
          .on('error', () => other.destroy())
          .on('close', () => {
            this.sockets.delete(socket);
            other.destroy();
          });
        socket.pipe(other);
      }
    }).listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  /** Refuses new connections and breaks those that are open. */
  async close(): Promise<void> {
    if (!this.server.listening) return;
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await once(this.server, 'close');
  }
}

/** Makes a telemetry item as it comes, about client 12. */
export function report(agentId: number, status: 'available' | 'logged_out', extra: object = {}): Record<string, unknown> {
  return {
    client_id: '12',
    agent_type: 'local',
    agent_id: agentId,
    agent_status: status,
    event_source: 'api',
    extension_name: `000*${agentId}`,
    ...extra,
  };
}
