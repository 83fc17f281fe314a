import { z } from 'zod';
import {
  AGENT_TYPES,
  ID_LIMIT,
  statusChangedSchema,
  statusChangeViewOf,
  type LoggedChange,
  type StatusChangeView,
} from '#contracts';
import { agentSchemaWith, type AgentView, agentViewOf } from '../agents/agents.module.js';
import { pagingSchema } from '../http/paging.js';
import { integerParam, momentSchema } from '../http/query-params.js';
import { frameOf, RESET_REASONS } from '../streams/streams.module.js';
import { parseCursor } from './cursor.js';
import { DIRECTORY_CHANGES, type DirectoryChange, type LogEntry } from './status-log.repository.js';

const cursor = z
  .string({ error: 'must be given once' })
  .transform((text, context) => {
    const value = parseCursor(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: 'must be a cursor: a whole number' });
    return z.NEVER;
  })
  .meta({ type: 'integer', minimum: 0 });

export const snapshotQuerySchema = z.strictObject(pagingSchema.shape);

export const historyQuerySchema = z
  .strictObject({
    agent_id: integerParam(0, ID_LIMIT - 1)
      .optional()
      .meta({ description: 'Of this agent alone' }),
    agent_type: z
      .enum(AGENT_TYPES, { error: `must be ${AGENT_TYPES.join(' or ')}` })
      .optional()
      .meta({ description: 'Of agents of this type alone' }),
    since: momentSchema.optional().meta({ description: 'Changes that were made then or later', format: 'date-time' }),
    until: momentSchema.optional().meta({ description: 'Changes that were made before', format: 'date-time' }),
    after: cursor.optional().meta({ description: 'The cursor to continue from; 0, the default: the oldest change that is kept' }),
    before: cursor.optional().meta({ description: 'Changes below this cursor: the next page of `order=desc`' }),
    order: z
      .enum(['asc', 'desc'], { error: 'must be asc or desc' })
      .default('asc')
      .meta({ description: 'In the order of the log, or the newest first' }),
    per_page: pagingSchema.shape.per_page,
  })
  .refine(({ since, until }) => since === undefined || until === undefined || until > since, {
    path: ['until'],
    error: 'must be later than since',
  });

export const streamQuerySchema = z.strictObject({
  after: cursor.optional().meta({
    description: 'The cursor to continue from; 0: the oldest that is kept; default: now. `Last-Event-ID` counts before it',
  }),
});

const { client_id, agent_id, extension_name, sequence } = statusChangedSchema.shape;

/** A status change as history and stream show it: what stands on the topic (contract §5), its id and its cursor. */
export const loggedChangeSchema = z
  .object({
    id: z.uuid(),
    cursor: z.number().int().meta({ description: 'Continue after it', example: 1042 }),
    ...statusChangedSchema.shape,
    client_id: client_id.meta({ example: '12' }),
    agent_id: agent_id.meta({ example: 136 }),
    extension_name: extension_name.meta({ example: '000*094@ringme.ru' }),
    sequence: sequence.meta({ example: 42 }),
  })
  .meta({ id: 'StatusChange' });

export const directoryChangeSchema = agentSchemaWith({ change: z.enum(DIRECTORY_CHANGES) }).meta({
  id: 'DirectoryChange',
  description: 'The agent as it was then',
});

export const resetSchema = z.object({ reason: z.enum(RESET_REASONS) }).meta({ id: 'StreamReset' });

/** The data of an event of the stream: `agent-status`, `agent` or `reset`. */
export const streamEventSchema = z.union([loggedChangeSchema, directoryChangeSchema, resetSchema]);

/** Shows a change of the log, with the cursor after it. */
export function loggedChangeViewOf(change: LoggedChange): StatusChangeView & { readonly id: string; readonly cursor: number } {
  return { id: change.id, cursor: change.position, ...statusChangeViewOf(change) };
}

function directoryChangeViewOf({ kind, agentId, ...agent }: DirectoryChange): AgentView & { readonly change: string } {
  return { change: kind, ...agentViewOf({ id: agentId, ...agent }) };
}

/** Encodes an entry of the log as a stream sends it: contract §3. */
export function frameOfEntry(entry: LogEntry): string {
  return 'status' in entry
    ? frameOf(entry.position, 'agent-status', loggedChangeViewOf(entry.status))
    : frameOf(entry.position, 'agent', directoryChangeViewOf(entry.directory));
}
