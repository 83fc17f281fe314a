import { z } from 'zod';
import { AGENT_TYPES, EVENT_TYPES, NOTIFICATION_METHODS } from '#contracts';
import { deliveryId } from '#webhook';
import { triggeredAttemptViewOf, attemptSchema, deliveryIdSchema } from '../deliveries/deliveries.module.js';
import { triggeredAttemptSchema } from '../deliveries/deliveries.module.js';
import { HEALTH_STATES, type EventHealthRow, type HealthState } from './event-health.repository.js';

const moment = z.iso.datetime();

export const healthSchema = z
  .object({
    status: z.enum(['active', 'failing', 'suspended']),
    reason: z
      .enum(['gone', 'failing', 'paused'])
      .nullable()
      .meta({ description: 'Why it is suspended: it answered 410, it only failed for 5 days, or somebody paused it' }),
    since: moment.nullable(),
    last_outcome: attemptSchema.extend({ delivery_id: deliveryIdSchema }).nullable(),
    backlog: z.number().int().meta({ description: 'Deliveries that wait, or are sent again', example: 0 }),
    oldest_waiting: moment.nullable().meta({ description: 'When the oldest of them changed' }),
  })
  .meta({ id: 'AgentEventHealth' });

export type HealthView = z.output<typeof healthSchema>;

export const listedHealthSchema = z
  .object({
    url: z.string().meta({ example: 'https://example.com/agents?key=1' }),
    id: z.number().int().meta({ example: 7 }),
    method: z.enum(NOTIFICATION_METHODS),
    event_type: z.enum(EVENT_TYPES),
    all_agents: z.boolean(),
    agent_type: z.enum(AGENT_TYPES).nullable().meta({ description: 'null: agents of both types' }),
    agent: z
      .object({ id: z.number().int().meta({ example: 136 }), agent_type: z.enum(AGENT_TYPES), name: z.string().nullable() })
      .nullable()
      .meta({ description: 'null: it is for all agents' }),
    state: z.enum(HEALTH_STATES),
    reason: z.enum(['gone', 'failing', 'paused']).nullable().meta({ description: 'Why it is suspended' }),
    since: moment.nullable().meta({ description: 'null: it is active' }),
    waiting: z
      .number()
      .int()
      .meta({ description: 'Deliveries that wait; an estimate where they are of more than a thousand agents', example: 0 }),
    oldest_waiting: moment.nullable().meta({ description: 'When the oldest of them changed' }),
    last_outcome: triggeredAttemptSchema.extend({ delivery_id: z.string() }).nullable(),
    day: z.object({ delivered: z.number().int().meta({ example: 118 }), failed: z.number().int().meta({ example: 0 }) }).meta({
      description:
        'Within about 24 hours; some seconds behind. Of a single agent: of its newest 5,000 attempts, in a list of its newest 200',
    }),
  })
  .meta({ id: 'ListedAgentEventHealth' });

export type ListedHealthView = z.output<typeof listedHealthSchema>;

/** Derives the state: suspended, or failing since the last attempt failed, or active. */
export function stateOfHealth({ suspended_at, failing_since }: EventHealthRow): HealthState {
  return suspended_at ? 'suspended' : failing_since ? 'failing' : 'active';
}

/** Shows the last attempt with the id of its delivery. */
export function lastOutcomeOf({ id, last }: EventHealthRow): ListedHealthView['last_outcome'] {
  if (!last) return null;
  const { change_id, attempted_at, ...attempt } = last;
  return {
    delivery_id: deliveryId(change_id, id),
    ...triggeredAttemptViewOf({ ...attempt, attempted_at: new Date(attempted_at) }),
  };
}

/** Shows an agent event with its health. */
export function listedHealthOf(row: EventHealthRow): ListedHealthView {
  return {
    url: row.url,
    id: row.id,
    method: row.method,
    event_type: row.event_type,
    all_agents: row.agent_id === null,
    agent_type: row.agent_type,
    agent: row.agent_id === null ? null : { id: row.agent_id, agent_type: row.agent_type!, name: row.agent_name },
    state: stateOfHealth(row),
    reason: row.suspended_reason,
    since: (row.suspended_at ?? row.failing_since)?.toISOString() ?? null,
    waiting: row.waiting,
    oldest_waiting: row.oldest_waiting?.toISOString() ?? null,
    last_outcome: lastOutcomeOf(row),
    day: { delivered: row.delivered, failed: row.failed },
  };
}
