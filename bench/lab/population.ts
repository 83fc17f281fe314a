import { uuidv7 } from 'uuidv7';
import type pg from 'pg';
import type { BusMessage, BusProducer } from '#bus';
import { encodeStatusChange, STATUS_CHANGED_TOPIC, TELEMETRY_TOPIC, traceparentOf, type StatusChange } from '#contracts';
import { createSealer } from '#database';
import { generateSecret } from '#webhook';
import { ENCRYPTION_KEY } from './target.js';

const CHUNK = 4000;
const SEALER = createSealer(ENCRYPTION_KEY);

/** What telemetry consists of. */
export type Mixture = 'repeats alone' | '95 % repeats';

/** The last client that was made; the first ones are those of applications. */
let clients = 100;

/** Agents of a client of their own with what they do next. They begin logged out, and each change turns them. */
export class Population {
  private readonly sequences: number[];
  private turn = 0;

  private constructor(
    readonly clientId: number,
    readonly size: number,
  ) {
    this.sequences = Array.from({ length: size }, () => 0);
  }

  /**
   * Writes a new client, agents and, where `urlOf` is given, agent events of both types for each into the database.
   *
   * @param urlOf the agent's number, from 0
   */
  static async create(pool: pg.Pool, size: number, urlOf?: (agent: number) => string): Promise<Population> {
    const clientId = ++clients;
    const agents = Array.from({ length: size }, (_, index) => index);
    await pool.query('insert into presence.client (client_id) values ($1)', [clientId]);
    await pool.query(`insert into subscription.webhook_secret (client_id, secret_sealed) values ($1, $2)`, [
      clientId,
      SEALER.seal(generateSecret()),
    ]);
    await pool.query(
      `insert into presence.agent (client_id, agent_id, agent_type, name)
       select $1, id + 1, 'local', 'a' || id || '@example.org' from unnest($2::bigint[]) id`,
      [clientId, agents],
    );
    if (urlOf) {
      await pool.query(
        `insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type)
         select $1, 1, id + 1, 'local', url, 'POST', type
         from unnest($2::bigint[], $3::text[]) as a (id, url), unnest(array['agent-login', 'agent-logout']) as type`,
        [clientId, agents, agents.map(urlOf)],
      );
    }
    await pool.query('analyze presence.agent, subscription.agent_event');
    return new Population(clientId, size);
  }

  /** Returns the next change of the next agent, round and round. */
  next(): { readonly agent: number; readonly sequence: number; readonly available: boolean } {
    const agent = this.turn;
    this.turn = (this.turn + 1) % this.size;
    const sequence = ++this.sequences[agent]!;
    return { agent, sequence, available: sequence % 2 === 1 };
  }

  /** Makes an item of telemetry that is a real change. */
  nextTelemetry(): TelemetryJson {
    const { agent, available } = this.next();
    return telemetryOf(this.clientId, agent, available);
  }

  /** Makes the same, with the agent's number and the sequence that the change will have. */
  nextNamed(): { readonly agent: number; readonly sequence: number; readonly item: TelemetryJson } {
    const { agent, sequence, available } = this.next();
    return { agent, sequence, item: telemetryOf(this.clientId, agent, available) };
  }

  /** Makes items that repeat what agents are, all of them or but for one in twenty. */
  repeats(count: number, mixture: Mixture): TelemetryJson[] {
    return Array.from({ length: count }, (_, nth) =>
      mixture === '95 % repeats' && nth % 20 === 0 ? this.nextTelemetry() : this.repeat((nth * 7919) % this.size),
    );
  }

  /** Writes changes to the log and to the status topic, as presence does. */
  async publishChanges({ pool, producer }: Targets, count: number): Promise<void> {
    const changes = Array.from({ length: count }, () => this.nextChange());
    await log(pool, changes);
    await inChunks(
      producer,
      STATUS_CHANGED_TOPIC,
      changes.map((change) => encodeStatusChange(change, traceparentOf(change.id))),
    );
  }

  /** What the agent is now, said once more. */
  private repeat(agent: number): TelemetryJson {
    return telemetryOf(this.clientId, agent, this.sequences[agent]! % 2 === 1);
  }

  private nextChange(): StatusChange {
    const { agent, sequence, available } = this.next();
    const now = Date.now();
    return {
      id: uuidv7(),
      clientId: this.clientId,
      agentId: agent + 1,
      agentType: 'local',
      name: `a${agent}@example.org`,
      agentStatus: available ? 'available' : 'logged_out',
      eventSource: 'api',
      sequence,
      occurredAt: now,
      changedAt: now,
    };
  }
}

/** Writes telemetry to a topic, its own unless another is named. */
export async function publishTelemetry(
  producer: BusProducer,
  items: readonly TelemetryJson[],
  topic: string = TELEMETRY_TOPIC,
): Promise<void> {
  await inChunks(
    producer,
    topic,
    items.map((item) => ({ key: `${item.client_id}:${item.agent_id}`, value: JSON.stringify(item) })),
  );
}

/** @param agent its number, from 0 */
export function telemetryOf(clientId: number, agent: number, available: boolean): TelemetryJson {
  return {
    client_id: String(clientId),
    agent_type: 'local',
    agent_id: agent + 1,
    agent_status: available ? 'available' : 'logged_out',
    event_source: 'api',
    extension_name: `a${agent}@example.org`,
  };
}

/** An item as an internal service writes it: contract §4. */
export interface TelemetryJson {
  readonly client_id: string;
  readonly agent_type: 'local';
  readonly agent_id: number;
  readonly agent_status: 'available' | 'logged_out';
  readonly event_source: 'api';
  readonly extension_name: string;
}

/** Where changes are written to. */
export interface Targets {
  readonly pool: pg.Pool;
  readonly producer: BusProducer;
}

async function log(pool: pg.Pool, changes: readonly StatusChange[]): Promise<void> {
  await pool.query(
    `insert into presence.status_change
       (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
     select id, client_id, agent_id, 'local', name, status, 'api', sequence, at, at
     from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[])
       as c (id, client_id, agent_id, name, status, sequence, at)`,
    [
      changes.map(({ id }) => id),
      changes.map(({ clientId }) => clientId),
      changes.map(({ agentId }) => agentId),
      changes.map(({ name }) => name),
      changes.map(({ agentStatus }) => agentStatus),
      changes.map(({ sequence }) => sequence),
      changes.map(({ changedAt }) => new Date(changedAt)),
    ],
  );
}

async function inChunks(producer: BusProducer, topic: string, messages: readonly BusMessage[]): Promise<void> {
  for (let sent = 0; sent < messages.length; sent += CHUNK) await producer.send(topic, messages.slice(sent, sent + CHUNK));
}
