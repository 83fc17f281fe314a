import { z } from 'zod';
import { AGENT_STATUSES, AGENT_TYPES, EVENT_SOURCES, type AgentStatus, type AgentType, type EventSource } from './agent.js';
import { isId, parseId } from './id.js';

/** `occurred_at` may lie at most this far ahead of the receiving service's clock, in milliseconds: contract §4. */
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
  /** Milliseconds since the epoch. */
  readonly occurredAt: number;
}

/** Field → what was wrong with it, in words for people. */
export type FieldErrors = Readonly<Record<string, readonly string[]>>;

export type TelemetryParse =
  { readonly ok: true; readonly item: TelemetryItem } | { readonly ok: false; readonly errors: FieldErrors };

const ID_MESSAGE = 'must be a whole number from 0 to 4294967295';

/** Telemetry writers send ids as strings (client_id) or numbers (agent_id); both are read in either form. */
const idSchema = z.union([z.string(), z.number()], { error: ID_MESSAGE }).transform((value, context) => {
  const id = typeof value === 'number' ? (isId(value) ? value : undefined) : parseId(value);
  if (id === undefined) {
    context.addIssue({ code: 'custom', message: ID_MESSAGE });
    return z.NEVER;
  }
  return id;
});

/** Names travel in header-free form bodies, but control characters and lone surrogates in them are never meant. */
const nameSchema = z
  .string({ error: 'must be a string' })
  .min(1, 'must not be empty')
  .max(MAX_NAME_LENGTH, `must have at most ${MAX_NAME_LENGTH} characters`)
  // eslint-disable-next-line no-control-regex -- control characters are exactly what is refused
  .refine((name) => !/[\u0000-\u001f\u007f]/.test(name) && name.isWellFormed(), 'must not contain control characters');

const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: `must be one of: ${values.join(', ')}` });

const telemetrySchema = z.object(
  {
    client_id: idSchema,
    agent_id: idSchema,
    agent_type: oneOf(AGENT_TYPES),
    agent_status: oneOf(AGENT_STATUSES),
    event_source: oneOf(EVENT_SOURCES),
    extension_name: nameSchema.optional(),
    agent_number: nameSchema.optional(),
    occurred_at: z.iso
      .datetime({ offset: true, error: 'must be an RFC 3339 date and time, such as 2026-11-22T10:00:00.123Z' })
      .optional(),
  },
  { error: 'must be a JSON object' },
);

/**
 * Reads one telemetry item: contract §4. Pure; the clock is a parameter.
 *
 * @param value parsed JSON
 * @param now milliseconds since the epoch, the time of receipt
 */
export function parseTelemetry(value: unknown, now: number): TelemetryParse {
  const parsed = telemetrySchema.safeParse(value);
  if (!parsed.success) return { ok: false, errors: fieldErrors(parsed.error) };
  const { data } = parsed;
  const occurredAt = data.occurred_at === undefined ? now : Date.parse(data.occurred_at);
  if (Number.isNaN(occurredAt)) return { ok: false, errors: { occurred_at: ['must be a date and time that exists'] } };
  if (occurredAt > now + MAX_CLOCK_LEAD_MS) {
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
      name: data.agent_type === 'local' ? data.extension_name : data.agent_number,
      occurredAt,
    },
  };
}

/** Groups a schema's issues by the field they are about; issues of the whole value stand under `item`. */
function fieldErrors(error: z.ZodError): FieldErrors {
  const errors: Record<string, string[]> = {};
  for (const issue of error.issues) {
    const missing = issue.code === 'invalid_type' && issue.input === undefined;
    (errors[issue.path.join('.') || 'item'] ??= []).push(missing ? 'is required' : issue.message);
  }
  return errors;
}
