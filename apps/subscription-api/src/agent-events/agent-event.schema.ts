import { z } from 'zod';
import {
  AGENT_TYPES,
  EVENT_TYPES,
  NOTIFICATION_METHODS,
  type AgentType,
  type EventType,
  type NotificationMethod,
} from '#contracts';
import type { AgentEventEntity } from '#database';
import { destinationSchema, JSON_OBJECT, notRead, requiredOr } from '../http/request-body.js';

/** An agent event as the REST API shows it; the order of the keys is part of contract §3. */
export interface AgentEventView {
  readonly url: string;
  readonly id: number;
  readonly method: NotificationMethod;
  readonly event_type: EventType;
}

/** A subscription to every agent of a client. */
export interface AllAgentsEventView extends AgentEventView {
  readonly agent_type: AgentType | null;
}

const EXAMPLE = { url: 'https://example.com/agents?key=1', event_type: 'agent-login', method: 'GET' };

const url = destinationSchema({
  description: 'Absolute http(s) URL without credentials; a query is kept',
  example: EXAMPLE.url,
});

/** Reads one of some words in any letter case, and returns its canonical form. */
function wordOf<const T extends string>(words: readonly [T, ...T[]]) {
  const message = `must be one of: ${words.join(', ')}`;
  return z
    .string({ error: requiredOr('must be a string') })
    .transform((text, context) => {
      const word = words.find((known) => known.toLowerCase() === text.toLowerCase());
      if (word === undefined) {
        context.addIssue({ code: 'custom', message });
        return z.NEVER;
      }
      return word;
    })
    .meta({ enum: words, description: 'In any letter case' });
}

const method = wordOf(NOTIFICATION_METHODS);
const event_type = wordOf(EVENT_TYPES);
const agent_type = wordOf(AGENT_TYPES).nullable();

export const newAgentEventSchema = z
  .object({ url, event_type, method }, JSON_OBJECT)
  .meta({ id: 'AgentEventCreate', examples: [EXAMPLE] });
export const agentEventPatchSchema = z
  .object({ url: url.optional(), event_type: event_type.optional(), method: method.optional() }, JSON_OBJECT)
  .meta({ id: 'AgentEventChange', description: 'Any subset; what is absent stays', examples: [{ method: 'POST' }] });
const id = notRead('Not read: the agent event keeps its own');
export const newAllAgentsEventSchema = z
  .strictObject({ url, event_type, method, agent_type: agent_type.default(null), id }, JSON_OBJECT)
  .meta({ id: 'ClientAgentEventCreate', examples: [{ ...EXAMPLE, agent_type: 'local' }] });
export const allAgentsEventPatchSchema = z
  .strictObject(
    { url: url.optional(), event_type: event_type.optional(), method: method.optional(), agent_type: agent_type.optional(), id },
    JSON_OBJECT,
  )
  .meta({ id: 'ClientAgentEventChange', description: 'Any subset; what is absent stays', examples: [{ method: 'POST' }] });

export type NewAgentEvent = z.output<typeof newAgentEventSchema>;
export type NewAllAgentsEvent = z.output<typeof newAllAgentsEventSchema>;
export type AgentEventPatch = z.output<typeof allAgentsEventPatchSchema>;

const shown = {
  url: z.string().meta({ example: EXAMPLE.url }),
  id: z.number().int().meta({ example: 7 }),
  method: z.enum(NOTIFICATION_METHODS),
  event_type: z.enum(EVENT_TYPES),
};
export const agentEventSchema = z.object(shown).meta({ id: 'AgentEvent' });
export const allAgentsEventSchema = z
  .object({ ...shown, agent_type: z.enum(AGENT_TYPES).nullable() })
  .meta({ id: 'ClientAgentEvent' });

export const limitSchema = z
  .object({ agent_event: z.number().int().meta({ example: 1000 }), agent_event_used: z.number().int().meta({ example: 7 }) })
  .meta({ id: 'Limit' });

export type LimitView = z.output<typeof limitSchema>;

/** The column is a PostgreSQL integer. */
const MAX_LIMIT = 2 ** 31 - 1;
const LIMIT = `must be a whole number from 0 to ${MAX_LIMIT}, or null`;
export const limitChangeSchema = z
  .strictObject(
    {
      agent_event: z
        .int({ error: (issue) => (issue.input === undefined ? 'is required' : LIMIT) })
        .min(0, LIMIT)
        .max(MAX_LIMIT, LIMIT)
        .nullable()
        .meta({ description: 'null: the limit of all clients, AGENT_EVENT_LIMIT' }),
      agent_event_used: notRead('Not read: it is counted'),
    },
    JSON_OBJECT,
  )
  .meta({ id: 'LimitChange', examples: [{ agent_event: 5000 }] });
export type LimitChange = z.output<typeof limitChangeSchema>;

/** An agent event as it is shown, and what its deliveries are found by. */
export type AgentEvent = Pick<AgentEventEntity, 'id' | 'clientId' | 'agentId' | 'agentType' | 'url' | 'method' | 'eventType'>;

export function agentEventViewOf({ url, id, method, eventType }: AgentEvent): AgentEventView {
  return { url, id, method, event_type: eventType };
}

export function allAgentsEventViewOf(event: AgentEvent): AllAgentsEventView {
  return { ...agentEventViewOf(event), agent_type: event.agentType };
}
