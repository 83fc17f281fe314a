import { z } from 'zod';
import { nameFieldOf, previousStatusOf, statusChangedSchema, timeSchema } from '#contracts';
import { integerParam, pagingSchema } from '../request/paging.js';
import type { LoggedChange } from './status-log.repository.js';

const MAX_ID = 4_294_967_295;

/** A moment in a query string or body: RFC 3339. */
export const momentSchema = timeSchema.transform((ms) => new Date(ms));

const cursor = integerParam(0, Number.MAX_SAFE_INTEGER);

export const historyQuerySchema = z.object({
  agent_id: integerParam(0, MAX_ID).optional().meta({ description: 'Of this agent alone' }),
  since: momentSchema.optional().meta({ description: 'Changes that were made then or later', format: 'date-time' }),
  after: cursor.default(0).meta({ description: 'The cursor to continue from' }),
  per_page: pagingSchema.shape.per_page,
});

export const streamQuerySchema = z.object({
  after: cursor.optional().meta({ description: 'The cursor to continue from; default: now. `Last-Event-ID` counts before it' }),
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

export function viewOfChange(change: LoggedChange): unknown {
  return {
    id: change.id,
    cursor: change.position,
    client_id: String(change.clientId),
    agent_id: change.agentId,
    agent_type: change.agentType,
    [nameFieldOf(change.agentType)]: change.name,
    agent_status: change.agentStatus,
    previous_status: previousStatusOf(change.agentStatus),
    event_source: change.eventSource,
    sequence: change.sequence,
    occurred_at: change.occurredAt.toISOString(),
    changed_at: change.changedAt.toISOString(),
  };
}
