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

function isChangeTime(at: number): boolean {
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
  changed_at: z.iso.datetime().refine((text) => isChangeTime(Date.parse(text)), 'must be a time from 1970 to 8999'),
});

/** The JSON Schema of a record's value, for the published descriptions of the interfaces. */
export function statusChangedJsonSchema(): object {
  return z.toJSONSchema(statusChangedSchema);
}

const CLIENT_ID = /^\d{1,10}$/;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;

/**
 * Reads a record of the status topic.
 *
 * @throws Error that names what is wrong; the record was then not written by presence
 */
export function decodeStatusChange(value: string, headers: Readonly<Record<string, string>>): StatusChange {
  const json: unknown = JSON.parse(value);
  if (isWellFormed(json)) {
    const occurredAt = readInstant(json.occurred_at);
    const changedAt = readInstant(json.changed_at);
    if (occurredAt !== undefined && changedAt !== undefined && isChangeTime(changedAt)) {
      return toChange(json, occurredAt, changedAt, headers);
    }
  }
  const wire = statusChangedSchema.parse(json);
  return toChange(wire, Date.parse(wire.occurred_at), Date.parse(wire.changed_at), headers);
}

type Wire = z.output<typeof statusChangedSchema>;

function toChange(wire: Wire, occurredAt: number, changedAt: number, headers: Readonly<Record<string, string>>): StatusChange {
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
    occurredAt,
    changedAt,
    traceparent: cleanTraceparent(headers['traceparent']),
  };
}

/**
 * Whether a record is as presence writes it, but for its times: the schema by hand, at a tenth of its cost. What this refuses is for
 * the schema to judge, and to name what is wrong; what this takes, the schema takes.
 */
function isWellFormed(json: unknown): json is Wire {
  if (typeof json !== 'object' || json === null) return false;
  const wire = json as Partial<Record<keyof Wire, unknown>>;
  return (
    isText(wire.client_id, CLIENT_ID) &&
    isCount(wire.agent_id, 0) &&
    isOneOf(AGENT_TYPES, wire.agent_type) &&
    isOptionalText(wire.extension_name) &&
    isOptionalText(wire.agent_number) &&
    isOneOf(AGENT_STATUSES, wire.agent_status) &&
    isOneOf(AGENT_STATUSES, wire.previous_status) &&
    isOneOf(EVENT_SOURCES, wire.event_source) &&
    isCount(wire.sequence, 1)
  );
}

function isText(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value);
}

function isOptionalText(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}

function isCount(value: unknown, least: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

function isOneOf(values: readonly string[], value: unknown): boolean {
  return typeof value === 'string' && values.includes(value);
}

/**
 * Reads a time as presence writes it, once.
 *
 * @returns milliseconds since the epoch; undefined for anything else, and for a date that does not exist, such as 31 February: Date
 *   takes that for one in March
 */
function readInstant(value: unknown): number | undefined {
  if (typeof value !== 'string' || !INSTANT.test(value)) return undefined;
  const date = new Date(value);
  return date.getUTCDate() === Number(value.slice(8, 10)) ? date.getTime() : undefined;
}
