import { pino } from 'pino';
import pg from 'pg';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach } from 'vitest';
import { InProcessBroker, type Bus, type BusProducer } from '#bus';
import { encodeStatusChange, STATUS_CHANGED_TOPIC, type AgentStatus, type StatusChange } from '#contracts';
import { createSealer } from '#database';
import type { RunningService } from '#runtime';
import { generateSecret } from '#webhook';
import { startDispatcher, type DispatcherOptions } from '../../apps/dispatcher/src/start.js';
import { eventually } from './poll.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import { RecordingReceiver } from './receiver.js';

export const CLIENT = 12;
export const OTHER_CLIENT = 13;

type Settings = Partial<DispatcherOptions['settings']>;

/** What a dispatcher lives between: agent events, a log of changes, and the topic; presence and subscription-api played by hand. */
export class DispatcherWorld {
  readonly secret = generateSecret();
  readonly logger = pino({ level: process.env['TEST_LOG_LEVEL'] ?? 'silent' });
  private readonly broker = new InProcessBroker({ consumed: [STATUS_CHANGED_TOPIC] });
  private readonly bus: Bus = this.broker.bus();
  private readonly producer: BusProducer = this.bus.producer();
  /** By `client:agent`. */
  private readonly sequences = new Map<string, number>();
  private readonly running = new Set<RunningService>();

  private constructor(
    readonly database: TestDatabase,
    readonly pool: pg.Pool,
  ) {}

  static async create(): Promise<DispatcherWorld> {
    const database = await createTestDatabase();
    // The pool outlives the database's server connections when the database is dropped.
    const pool = new pg.Pool({ connectionString: database.url, max: 5 }).on('error', () => undefined);
    const world = new DispatcherWorld(database, pool);
    for (const client of [CLIENT, OTHER_CLIENT]) await world.addSecret(world.secret, client);
    return world;
  }

  async remove(): Promise<void> {
    for (const service of this.running) await service.stop();
    this.broker.close();
    await this.bus.close();
    await this.pool.end();
    await this.database.drop();
  }

  async start(
    settings: Settings = {},
    options: Partial<Pick<DispatcherOptions, 'leaseMs' | 'budgets' | 'sweep' | 'bus'>> = {},
  ): Promise<RunningService> {
    const service = await startDispatcher({
      settings: {
        DATABASE_URL: this.database.url,
        DATABASE_POOL: 5,
        HOST: '127.0.0.1',
        DISPATCHER_PORT: 0,
        OPERATIONS_PORT: undefined,
        ALLOW_DESTINATIONS: ['127.0.0.0/8'],
        DESTINATION_PORTS: [{ from: 1, to: 65_535 }],
        DELIVERY_RETRY_SCHEDULE: [50, 100, 100, 100, 100],
        DELIVERY_WINDOW: 60_000,
        DELIVERY_TIMEOUT: 500,
        STATUS_HISTORY_RETENTION: 30 * 86_400_000,
        DELIVERY_LOG_RETENTION: 14 * 86_400_000,
        ENCRYPTION_KEY: undefined,
        ENCRYPTION_KEY_PREVIOUS: [],
        ...settings,
      },
      bus: this.broker.bus(this.logger),
      logger: this.logger,
      ...options,
    });
    this.running.add(service);
    return service;
  }

  async stop(service: RunningService): Promise<void> {
    this.running.delete(service);
    await service.stop();
  }

  /** Makes this the client's signing secret; the one before signs along for an hour. */
  async addSecret(secret: string, client = CLIENT): Promise<void> {
    await this.pool.query(
      `update subscription.webhook_secret set expires_at = now() + interval '1 hour' where client_id = $1 and expires_at is null`,
      [client],
    );
    await this.pool.query('insert into subscription.webhook_secret (client_id, secret_sealed) values ($1, $2)', [
      client,
      createSealer(undefined).seal(secret),
    ]);
  }

  /** @param agentId null: every agent of the client */
  async subscribe(
    agentId: number | null,
    url: string,
    eventType = 'agent-login',
    method = 'POST',
    client = CLIENT,
  ): Promise<number> {
    const { rows } = await this.pool.query<{ id: string }>(
      `insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type, after_sequence)
       values ($1, 1, $2, 'local', $3, $4, $5, $6) returning id`,
      [client, agentId, url, method, eventType, agentId === null ? 0 : (this.sequences.get(`${client}:${agentId}`) ?? 0)],
    );
    return Number(rows[0]!.id);
  }

  /** Does what a PUT of an agent event's url, and method, does. */
  async moveEvent(agentEventId: number, url: string, method = 'POST'): Promise<void> {
    const client = await this.pool.connect();
    try {
      await client.query('begin');
      const { rows } = await client.query<{ url: string }>('select url from subscription.agent_event where id = $1 for update', [
        agentEventId,
      ]);
      await client.query('update subscription.agent_event set url = $2, method = $3 where id = $1', [agentEventId, url, method]);
      await client.query('select dispatch.rehome($1, $2)', [agentEventId, rows[0]!.url]);
      await client.query('commit');
    } finally {
      client.release();
    }
  }

  /** Adds an agent's next change to the log, and not yet to the topic. Agents begin logged out. */
  async log(agentId: number, over: Partial<StatusChange> = {}): Promise<StatusChange> {
    const key = `${over.clientId ?? CLIENT}:${agentId}`;
    const sequence = (this.sequences.get(key) ?? 0) + 1;
    this.sequences.set(key, sequence);
    const agentStatus: AgentStatus = sequence % 2 === 1 ? 'available' : 'logged_out';
    const now = Date.now();
    const change: StatusChange = {
      id: uuidv7(),
      clientId: CLIENT,
      agentId,
      agentType: 'local',
      name: '000*094@ringme.ru',
      agentStatus,
      eventSource: 'api',
      sequence,
      occurredAt: now,
      changedAt: now,
      ...over,
    };
    await this.pool.query(
      `insert into presence.status_change (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
       values ($1, $2, $3, 'local', $4, $5, 'api', $6, $7, $8)`,
      [
        ...[change.id, change.clientId, agentId, change.name, change.agentStatus, sequence],
        ...[new Date(change.occurredAt), new Date(change.changedAt)],
      ],
    );
    return change;
  }

  /** Resolves when the dispatcher has the deliveries durable. */
  publish(...changes: StatusChange[]): Promise<void> {
    const traceparent = '00-00000000000000000000000000000001-0000000000000001-01';
    return this.producer.send(
      STATUS_CHANGED_TOPIC,
      changes.map((change) => encodeStatusChange(change, traceparent)),
    );
  }

  publishRaw(value: string, headers: Record<string, string> = {}): Promise<void> {
    return this.producer.send(STATUS_CHANGED_TOPIC, [{ key: `${CLIENT}:1`, value, headers }]);
  }

  async change(agentId: number, over: Partial<StatusChange> = {}): Promise<StatusChange> {
    const change = await this.log(agentId, over);
    await this.publish(change);
    return change;
  }

  /** Makes the agent log in `count` times; `login`/`logout` alternate. */
  async logins(agentId: number, count: number): Promise<void> {
    const changes: StatusChange[] = [];
    for (let i = 0; i < count * 2 - 1; i++) changes.push(await this.log(agentId));
    await this.publish(...changes);
  }

  /** Reads what is behind, as the dispatcher has recorded it. */
  async behind(): Promise<{ agent_event_id: number; agent_id: number; next: number; attempts: number; due: boolean }[]> {
    const { rows } = await this.pool.query(
      `select agent_event_id::integer, agent_id::integer, next_sequence::integer as next, attempts, due_at is not null as due
       from dispatch.behind order by agent_event_id, agent_id`,
    );
    return rows as never;
  }

  /** Resolves when nothing is behind, nothing is sent again, and every change of the log is recorded. */
  async drained(timeoutMs?: number): Promise<void> {
    await eventually(
      'that nothing is left to do',
      async () => {
        const { rows } = await this.pool.query<{ left: boolean }>(
          `select exists (select from dispatch.behind) or exists (select from dispatch.redelivery)
               or exists (select from dispatch.replay where status = 'running')
               or exists (select from presence.status_change s
                          left join dispatch.agent_cursor c using (client_id, agent_id)
                          where s.sequence > coalesce(c.last_sequence, 0)) as left`,
        );
        return !rows[0]!.left;
      },
      timeoutMs,
    );
  }

  async attempts(
    agentEventId: number,
  ): Promise<{ attempt: number; outcome: string; http_status: number | null; error: string | null; response: string | null }[]> {
    const { rows } = await this.pool.query(
      `select attempt, outcome, http_status, error, response from dispatch.attempt where agent_event_id = $1 order by change_id, attempt`,
      [agentEventId],
    );
    return rows as never;
  }
}

/** Gives each test of a file or a describe a world and a receiver of its own. @param take keeps them for the test */
export function useDispatcherWorld(take: (world: DispatcherWorld, receiver: RecordingReceiver) => void): void {
  let world: DispatcherWorld;
  let receiver: RecordingReceiver;
  beforeEach(async () => {
    world = await DispatcherWorld.create();
    receiver = await RecordingReceiver.start();
    take(world, receiver);
  });
  afterEach(async () => {
    await world.remove();
    await receiver.stop();
  });
}
