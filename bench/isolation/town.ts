import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { EmbeddedPostgres, migrate } from '#database';
import { Cluster } from '../../test/support/cluster.js';
import { RestClient } from '../../test/support/client.js';
import { DnsServer } from '../../test/support/dns-server.js';
import { RecordingReceiver } from '../../test/support/receiver.js';
import { LocalKafka } from '../../tools/kafka/local-kafka.js';
import { Receivers } from '../lab/lab.js';
import { Child } from '../lab/child.js';

/** The client that is measured, and the one that makes the noise. */
export const QUIET = 21;
export const NOISY = 22;

const APPLICATIONS = [
  { app_id: 'quiet', secret: 'quiet-secret', client_id: QUIET, access: 'all' },
  { app_id: 'noisy', secret: 'noisy-secret', client_id: NOISY, access: 'all' },
  { app_id: 'platform', secret: 'platform-secret', client_id: QUIET, access: 'platform' },
];
const TOWN_NAME = 'receiver.test';
const TELEMETRY_AT_ONCE = 1000;

/** Three services on Kafka and PostgreSQL as in production, two clients, and what they notify. */
export class Town {
  private constructor(
    private readonly stops: (() => Promise<void>)[],
    readonly pool: pg.Pool,
    /** Where the quiet client is notified; in this process, so that arrivals are timed by the clock that reports are timed by. */
    readonly receiver: RecordingReceiver,
    /** Where the noisy client is notified, in a process of its own. */
    readonly noisyReceivers: Receivers,
    readonly quiet: RestClient,
    readonly noisy: RestClient,
    readonly platform: RestClient,
    /** Who answers for names; undefined where the services ask the system's name servers. */
    readonly names: DnsServer | undefined,
  ) {}

  /** @param names what the services' resolv.conf names */
  static async start(names: DnsServer | undefined): Promise<Town> {
    const stops: (() => Promise<void>)[] = [];
    names?.set(TOWN_NAME, () => ['127.0.0.1']);
    try {
      const directory = await mkdtemp(join(tmpdir(), 'rollcall-isolation-'));
      stops.push(() => rm(directory, { recursive: true, force: true }));
      await chmod(directory, 0o755); // the database server may run as another user
      const kafka = await LocalKafka.start();
      stops.push(() => kafka.stop());
      const postgres = await EmbeddedPostgres.start(directory);
      stops.push(() => postgres.stop('immediate'));
      await postgres.ensureDatabase('rollcall');
      await migrate(postgres.url());
      const cluster = await Cluster.startOn(postgres.url(), kafka.brokers, {
        BOOTSTRAP_APPS: JSON.stringify(APPLICATIONS),
        AGENT_EVENT_LIMIT: '1000000',
        RATE_LIMIT: 'off',
        LOG_LEVEL: 'warn',
      });
      stops.push(() => cluster.stop());
      const pool = new pg.Pool({ connectionString: postgres.url(), max: 3 });
      stops.push(() => pool.end());
      const receiver = await RecordingReceiver.start();
      stops.push(() => receiver.stop());
      const child = await Child.start('lab/receiver.process');
      stops.push(() => child.stop());
      const login = (name: string): Promise<RestClient> => RestClient.create(cluster.urls, name, `${name}-secret`);
      const clients = [await login('quiet'), await login('noisy'), await login('platform')] as const;
      return new Town(stops, pool, receiver, await Receivers.start(child, 2), ...clients, names);
    } catch (error) {
      for (const stop of stops.reverse()) await stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (const stop of this.stops.reverse()) await stop();
  }

  /** Returns a url of the receiver in this process, by name where there are names. */
  urlOf(path: string): string {
    const url = new URL(path, this.receiver.url);
    if (this.names) url.hostname = TOWN_NAME;
    return url.href;
  }

  /** Reports items, a thousand a request, one request after the other. */
  async report(items: readonly object[]): Promise<void> {
    for (let from = 0; from < items.length; from += TELEMETRY_AT_ONCE) {
      const answer = await this.platform.telemetry(items.slice(from, from + TELEMETRY_AT_ONCE));
      if (answer.status !== 200) throw new Error(`telemetry: ${answer.status} ${answer.text}`);
    }
  }

  /** Makes one call of the noisy client. @throws Error with what was answered, unless that is a success */
  async asNoisy<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await this.noisy.api(method, `/client/@me${path}`, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.json as T;
  }
}

/** Makes an item of telemetry that names its agent. */
export function itemOf(clientId: number, agentId: number, isAvailable: boolean): object {
  return {
    client_id: clientId,
    agent_type: 'local',
    agent_id: agentId,
    agent_status: isAvailable ? 'available' : 'logged_out',
    event_source: 'api',
    extension_name: `${agentId}@example.org`,
  };
}
