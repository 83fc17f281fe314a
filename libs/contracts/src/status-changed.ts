import { Ajv, type ValidateFunction } from 'ajv';
import { z } from 'zod';
import {
  AGENT_STATUSES,
  AGENT_TYPES,
  EVENT_SOURCES,
  nameFieldOf,
  previousStatusOf,
  type AgentStatus,
  type AgentType,
  type EventSource,
} from './agent.js';
import { partitionKey } from './topics.js';
import { cleanTraceparent } from './trace-context.js';

/**
 * A real transition of an agent, as the status-change log holds it: contract §5. The one form that it has inside all services; moments
 * become text only where they leave them.
 */
export interface StatusChange {
  /** UUIDv7; `ce_id` on the topic. */
  readonly id: string;
  readonly clientId: number;
  readonly agentId: number;
  readonly agentType: AgentType;
  /** Extension name (local) or phone number (remote). */
  readonly name: string;
  readonly agentStatus: AgentStatus;
  readonly eventSource: EventSource;
  /** Counts the agent's changes from 1 without gaps. */
  readonly sequence: number;
  /** In milliseconds since the epoch. */
  readonly occurredAt: number;
  /** When it was written, in milliseconds since the epoch. */
  readonly changedAt: number;
  /** W3C trace context from which its hops continue; none: the change's own, {@link traceparentOf}. */
  readonly traceparent?: string | null | undefined;
}

/** A change with its place in the log, which is also its place in the outbox. */
export interface LoggedChange extends StatusChange {
  readonly position: number;
}

/** What is public of a change, as JSON on the topic and in the REST API: contract §3 and §5. */
export interface StatusChangeView {
  readonly client_id: string;
  readonly agent_id: number;
  readonly agent_type: AgentType;
  readonly extension_name?: string;
  readonly agent_number?: string;
  readonly agent_status: AgentStatus;
  readonly previous_status: AgentStatus;
  readonly event_source: EventSource;
  readonly sequence: number;
  readonly occurred_at: string;
  readonly changed_at: string;
}

/** Shows a change; the keys in the order of the contract. */
export function statusChangeViewOf(change: StatusChange): StatusChangeView {
  return {
    client_id: String(change.clientId),
    agent_id: change.agentId,
    agent_type: change.agentType,
    [nameFieldOf(change.agentType)]: change.name,
    agent_status: change.agentStatus,
    previous_status: previousStatusOf(change.agentStatus),
    event_source: change.eventSource,
    sequence: change.sequence,
    occurred_at: new Date(change.occurredAt).toISOString(),
    changed_at: new Date(change.changedAt).toISOString(),
  };
}

/** The CloudEvents `type` of every record of the status topic. */
export const STATUS_CHANGED_TYPE = 'agent.status-changed.v1';
/** The CloudEvents `source`. */
export const STATUS_CHANGED_SOURCE = '/rollcall/presence';

/** A Kafka record as it is sent. */
export interface EncodedStatusChange {
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Writes a change as a CloudEvent in Kafka's binary mode: contract §5.
 *
 * @param traceparent W3C trace context, so that a delivery can be followed back to its telemetry
 */
export function encodeStatusChange(change: StatusChange, traceparent: string): EncodedStatusChange {
  const view = statusChangeViewOf(change);
  const key = partitionKey(change);
  return {
    key,
    value: JSON.stringify(view),
    headers: {
      ce_specversion: '1.0',
      ce_id: change.id,
      ce_source: STATUS_CHANGED_SOURCE,
      ce_type: STATUS_CHANGED_TYPE,
      ce_subject: key,
      ce_time: view.changed_at,
      'content-type': 'application/json',
      traceparent,
    },
  };
}

/** Bounds of the times to which a delivery's window can be added, in PostgreSQL too: presence's clock is never far from now. */
const EARLIEST_CHANGE = Date.parse('1970-01-01T00:00:00Z');
const LATEST_CHANGE = Date.parse('9000-01-01T00:00:00Z');

function isChangeTime(text: string): boolean {
  const at = Date.parse(text);
  return at >= EARLIEST_CHANGE && at < LATEST_CHANGE;
}

/** A record's value, as it stands on the topic: contract §5. */
export const statusChangedSchema = z.object({
  client_id: z.string().regex(/^\d{1,10}$/),
  agent_id: z.number().int().nonnegative(),
  agent_type: z.enum(AGENT_TYPES),
  extension_name: z.string().optional(),
  agent_number: z.string().optional(),
  agent_status: z.enum(AGENT_STATUSES),
  previous_status: z.enum(AGENT_STATUSES),
  event_source: z.enum(EVENT_SOURCES),
  sequence: z.number().int().positive(),
  occurred_at: z.iso.datetime(),
  changed_at: z.iso.datetime().refine(isChangeTime, 'must be a time from 1970 to 8999'),
});

/** Builds the JSON Schema of a record's value, for the published descriptions of the interfaces. */
export function statusChangedJsonSchema(): object {
  return z.toJSONSchema(statusChangedSchema);
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/**
 * Reads a record of the status topic.
 *
 * @throws Error that names what is wrong; the record was then not written by presence
 */
export function decodeStatusChange(value: string, headers: Readonly<Record<string, string>>): StatusChange {
  const json: unknown = JSON.parse(value);
  // Only the schema has the words for what is wrong.
  const wire = isWellFormed(json) ? json : statusChangedSchema.parse(json);
  const id = headers['ce_id'];
  if (id === undefined || !UUID.test(id)) throw new Error('the ce_id header must be a UUID');
  const name = wire[nameFieldOf(wire.agent_type)];
  if (name === undefined) throw new Error(`${nameFieldOf(wire.agent_type)} is required for a ${wire.agent_type} agent`);
  return {
    id,
    clientId: Number(wire.client_id),
    agentId: wire.agent_id,
    agentType: wire.agent_type,
    name,
    agentStatus: wire.agent_status,
    eventSource: wire.event_source,
    sequence: wire.sequence,
    occurredAt: Date.parse(wire.occurred_at),
    changedAt: Date.parse(wire.changed_at),
    traceparent: cleanTraceparent(headers['traceparent']),
  };
}

type Wire = z.output<typeof statusChangedSchema>;

/** The schema, compiled at the first record: few processes read any. */
let validate: ValidateFunction<Wire> | undefined;

/** Whether the schema takes a record, at less than half of its cost. */
function isWellFormed(json: unknown): json is Wire {
  // Patterns check the times, and what is refined has no place in JSON Schema. It is right: to check the schema costs ten times more.
  validate ??= new Ajv({ formats: { 'date-time': true }, meta: false, validateSchema: false }).compile<Wire>(
    z.toJSONSchema(statusChangedSchema, { io: 'input', target: 'draft-7' }),
  );
  return validate(json) && isChangeTime(json.changed_at);
}
