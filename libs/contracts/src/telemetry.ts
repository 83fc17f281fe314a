import { z } from 'zod';
import {
  AGENT_STATUSES,
  AGENT_TYPES,
  EVENT_SOURCES,
  nameFieldOf,
  type AgentStatus,
  type AgentType,
  type EventSource,
} from './agent.js';
import { ID_LIMIT, isId, parseId } from './id.js';
import { parseTime, TIME_MESSAGE } from './rfc3339.js';

/** `occurred_at` may lie at most this far ahead of the receipt, in milliseconds: contract §4. */
export const MAX_CLOCK_LEAD_MS = 5 * 60_000;
/** Most items of one HTTP request: contract §4. */
export const MAX_TELEMETRY_ITEMS = 1000;
/** Longest extension name or agent number, in characters. */
export const MAX_NAME_LENGTH = 255;

/** One report of what an agent does, read and checked: contract §4. */
export interface TelemetryItem {
  readonly clientId: number;
  readonly agentId: number;
  readonly agentType: AgentType;
  readonly agentStatus: AgentStatus;
  readonly eventSource: EventSource;
  /** The extension name or agent number, where the item carries one. */
  readonly name: string | undefined;
  /** As reported, in milliseconds since the epoch; undefined where the item does not say: then it is as of its receipt. */
  readonly occurredAt: number | undefined;
  /** When it was received, in milliseconds since the epoch, by the database's clock. */
  readonly receivedAt: number;
}

/** Field → what was wrong with it, in words for people. */
export type FieldErrors = Readonly<Record<string, readonly string[]>>;

export type TelemetryParse =
  { readonly ok: true; readonly item: TelemetryItem } | { readonly ok: false; readonly errors: FieldErrors };

const ID_MESSAGE = 'must be a whole number from 0 to 4294967295';

/** Telemetry writers send ids as strings (client_id) or numbers (agent_id); both are read in either form. */
const idSchema = z
  .union([z.string(), z.number()], { error: ID_MESSAGE })
  .transform((value, context) => {
    const id = typeof value === 'number' ? (isId(value) ? value : undefined) : parseId(value);
    if (id === undefined) {
      context.addIssue({ code: 'custom', message: ID_MESSAGE });
      return z.NEVER;
    }
    return id;
  })
  .meta({ description: 'A number, or a string of its digits', pattern: '^[0-9]{1,10}$', minimum: 0, maximum: ID_LIMIT - 1 });

/** Names travel in header-free form bodies, but control characters and lone surrogates in them are never meant. */
// eslint-disable-next-line no-control-regex -- control characters are exactly what is refused
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f]/;

/** The same for descriptions of the interfaces; JSON Schema has no word for lone surrogates. */
export const NAME_PATTERN = '^[^\\u0000-\\u001f\\u007f]+$';

const isClean = (name: string): boolean => !CONTROL_CHARACTER.test(name) && name.isWellFormed();

const isName = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= MAX_NAME_LENGTH && isClean(value);

/** What an extension name or agent number may be. */
export const nameSchema = z
  .string({ error: 'must be a string' })
  .min(1, 'must not be empty')
  .max(MAX_NAME_LENGTH, `must have at most ${MAX_NAME_LENGTH} characters`)
  .refine(isClean, 'must not contain control characters')
  .meta({ pattern: NAME_PATTERN });

const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: `must be one of: ${values.join(', ')}` });

/** A moment in JSON or a query string, as milliseconds since the epoch: RFC 3339 in full, see {@link parseTime}. */
export const timeSchema = z
  .string({ error: (issue) => (issue.input === undefined ? 'is required' : TIME_MESSAGE) })
  .transform((text, context) => {
    const time = parseTime(text);
    if (time !== undefined) return time;
    context.addIssue({ code: 'custom', message: TIME_MESSAGE });
    return z.NEVER;
  })
  .meta({ format: 'date-time' });

const telemetrySchema = z.object(
  {
    client_id: idSchema,
    agent_id: idSchema,
    agent_type: oneOf(AGENT_TYPES),
    agent_status: oneOf(AGENT_STATUSES),
    event_source: oneOf(EVENT_SOURCES),
    // What is null counts as absent.
    extension_name: nameSchema.nullish(),
    agent_number: nameSchema.nullish(),
    occurred_at: timeSchema.nullish(),
  },
  { error: 'must be a JSON object' },
);

/** Builds the JSON Schema of one item, for the published descriptions of the interfaces. */
export function telemetryJsonSchema(): object {
  return z.toJSONSchema(telemetrySchema, { io: 'input' });
}

/**
 * Reads one telemetry item: contract §4. Pure; the clock is a parameter.
 *
 * @param value parsed JSON
 * @param now of its receipt, in milliseconds since the epoch
 */
export function parseTelemetry(value: unknown, now: number): TelemetryParse {
  const wellFormed = readWellFormed(value, now);
  return wellFormed === undefined ? parseBySchema(value, now) : { ok: true, item: wellFormed };
}

/**
 * Reads one telemetry item as {@link parseTelemetry} does, the long way: the same answer for every value. Exported for the test that
 * proves it.
 */
export function parseBySchema(value: unknown, now: number): TelemetryParse {
  const parsed = telemetrySchema.safeParse(withoutOtherName(value));
  if (!parsed.success) return { ok: false, errors: fieldErrors(parsed.error, value) };
  const { data } = parsed;
  const occurredAt = data.occurred_at ?? undefined;
  if (occurredAt !== undefined && occurredAt > now + MAX_CLOCK_LEAD_MS) {
    return { ok: false, errors: { occurred_at: ['must not be more than 5 minutes ahead'] } };
  }
  return {
    ok: true,
    item: {
      clientId: data.client_id,
      agentId: data.agent_id,
      agentType: data.agent_type,
      agentStatus: data.agent_status,
      eventSource: data.event_source,
      name: data[nameFieldOf(data.agent_type)] ?? undefined,
      occurredAt,
      receivedAt: now,
    },
  };
}

/** The name that belongs to the other agent type is not looked at, whatever it is. */
function withoutOtherName(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const type = (value as Readonly<Record<string, unknown>>)['agent_type'];
  if (type === 'local') return { ...value, agent_number: undefined };
  return type === 'remote' ? { ...value, extension_name: undefined } : value;
}

/**
 * The items that are right, which is nearly all of them, read at a fraction of the schema's cost (measured: a third).
 *
 * @returns undefined where anything is unusual; the schema then decides, and has the words for what is wrong
 */
function readWellFormed(value: unknown, now: number): TelemetryItem | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const wire = value as Readonly<Record<string, unknown>>;
  const clientId = readId(wire['client_id']);
  const agentId = readId(wire['agent_id']);
  if (clientId === undefined || agentId === undefined) return undefined;
  const agentType = wire['agent_type'];
  if (agentType !== 'local' && agentType !== 'remote') return undefined;
  const agentStatus = wire['agent_status'];
  if (agentStatus !== 'available' && agentStatus !== 'logged_out') return undefined;
  const eventSource = wire['event_source'];
  if (eventSource !== 'api' && eventSource !== 'phone') return undefined;
  const name = wire[agentType === 'local' ? 'extension_name' : 'agent_number'] ?? undefined;
  if (!(name === undefined || isName(name))) return undefined;
  const time = wire['occurred_at'] ?? undefined;
  if (time === undefined) {
    return { clientId, agentId, agentType, agentStatus, eventSource, name, occurredAt: undefined, receivedAt: now };
  }
  if (typeof time !== 'string') return undefined;
  const occurredAt = parseTime(time);
  if (occurredAt === undefined || occurredAt > now + MAX_CLOCK_LEAD_MS) return undefined;
  return { clientId, agentId, agentType, agentStatus, eventSource, name, occurredAt, receivedAt: now };
}

function readId(value: unknown): number | undefined {
  if (typeof value === 'string') return parseId(value);
  return isId(value) ? value : undefined;
}

/** Groups a schema's issues by the field they are about; issues of the whole value stand under `item`. */
function fieldErrors(error: z.ZodError, value: unknown): FieldErrors {
  const errors: Record<string, string[]> = {};
  for (const issue of error.issues) {
    const field = issue.path.join('.');
    const missing = field !== '' && (value as Readonly<Record<string, unknown>>)[field] === undefined;
    (errors[field || 'item'] ??= []).push(missing ? 'is required' : issue.message);
  }
  return errors;
}
