import { z } from 'zod';
import { AGENT_STATUSES, AGENT_TYPES, EVENT_SOURCES, EVENT_TYPES, ID_LIMIT, NOTIFICATION_METHODS } from '#contracts';
import { DELIVERY_ID_PATTERN, parseDeliveryId } from '#webhook';
import { pagingSchema } from '../http/paging.js';
import { integerParam, wordParam, momentSchema } from '../http/query-params.js';
import { attemptSchema, deliveryIdSchema } from './delivery.schema.js';
import { DELIVERY_STATUSES } from './delivery-state.js';

const id = integerParam(0, ID_LIMIT - 1);
const STATUSES = `must be some of ${DELIVERY_STATUSES.join(', ')}, with commas between them`;

/** The filters of deliveries: contract §3. */
const deliveryFilterShape = {
  status: z
    .string({ error: 'must be given once' })
    .transform((text, context) => {
      const words = text.split(',');
      const known = DELIVERY_STATUSES.filter((status) => words.includes(status));
      if (known.length === new Set(words).size) return known;
      context.addIssue({ code: 'custom', message: STATUSES });
      return z.NEVER;
    })
    .optional()
    .meta({
      description: `One or more of ${DELIVERY_STATUSES.join(', ')}, separated by commas`,
      type: 'string',
      pattern: `^(${DELIVERY_STATUSES.join('|')})(,(${DELIVERY_STATUSES.join('|')}))*$`,
    }),
  agent_id: id.optional().meta({ description: 'Of this agent alone' }),
  agent_type: wordParam(AGENT_TYPES).optional().meta({ description: 'Of agents of this type alone' }),
  since: momentSchema.optional().meta({ description: 'Of changes that were made then or later', format: 'date-time' }),
  until: momentSchema.optional().meta({ description: 'Of changes that were made before', format: 'date-time' }),
};

const agentEventFilter = { agent_event_id: id.optional().meta({ description: 'Of this agent event alone' }) };

const before = z
  .string({ error: 'must be given once' })
  .transform((text, context) => {
    const key = parseDeliveryId(text);
    if (key) return key;
    context.addIssue({ code: 'custom', message: 'must be the X-Next-Cursor of an answer, or the id of a delivery' });
    return z.NEVER;
  })
  .optional()
  .meta({ description: 'The `X-Next-Cursor` of the page before', type: 'string', pattern: DELIVERY_ID_PATTERN });

/** Tells whether any filter is given. */
export function isFiltered({ status, agent_id, agent_type, since, until }: Partial<DeliveryListQuery>): boolean {
  return [status, agent_id, agent_type, since, until].some((value) => value !== undefined);
}

const isSpan = ({ since, until }: { since?: Date | undefined; until?: Date | undefined }): boolean =>
  since === undefined || until === undefined || until > since;
const SPAN = { path: ['until'], error: 'must be later than since' };

export const deliveryListQuerySchema = z
  .strictObject({ ...deliveryFilterShape, ...agentEventFilter, before, per_page: pagingSchema.shape.per_page })
  .refine(isSpan, SPAN);
export type DeliveryListQuery = z.output<typeof deliveryListQuerySchema>;

/** Of one agent event, whose list was there before: with neither `before` nor a filter it goes by pages, from the oldest on. */
export const deliveriesOfEventQuerySchema = z
  .strictObject({
    ...deliveryFilterShape,
    before,
    page: pagingSchema.shape.page.removeDefault().optional(),
    per_page: pagingSchema.shape.per_page,
  })
  .refine(isSpan, SPAN)
  .refine(({ page, before: from, ...query }) => page === undefined || !(from ?? isFiltered(query)), {
    path: ['page'],
    error: 'goes with neither before nor a filter: go on with X-Next-Cursor',
  });
export type DeliveriesOfEventQuery = z.output<typeof deliveriesOfEventQuerySchema>;

export const deliveryStreamQuerySchema = z.strictObject({ ...deliveryFilterShape, ...agentEventFilter }).refine(isSpan, SPAN);
export type DeliveryStreamQuery = z.output<typeof deliveryStreamQuerySchema>;

const moment = z.iso.datetime().meta({ example: '2026-11-22T10:00:00.123Z' });
const { attempt, ...ofAnAttempt } = attemptSchema.shape;
export const triggeredAttemptSchema = z
  .object({
    attempt,
    trigger: z.enum(['first', 'retry', 'redeliver', 'replay']).meta({ description: 'What it was made for' }),
    ...ofAnAttempt,
    at: moment,
  })
  .meta({ id: 'TriggeredAttempt' });

const waitingForSchema = z
  .union([
    z.object({
      reason: z.literal('earlier'),
      delivery_id: deliveryIdSchema.meta({ description: 'The delivery that goes before' }),
    }),
    z.object({ reason: z.literal('suspended'), since: moment.meta({ description: 'The agent event is suspended, or paused' }) }),
    z.object({ reason: z.literal('origin'), since: moment.meta({ description: 'The origin is not sent to for now' }) }),
    z.object({
      reason: z.literal('due'),
      since: moment.nullable().meta({ description: 'Its time has not come, or has just come' }),
    }),
  ])
  .nullable()
  .meta({ description: 'What keeps it waiting; null: nothing' });

const shown = {
  id: deliveryIdSchema,
  agent_event: z.object({
    id: z.number().int().meta({ example: 7 }),
    url: z.string().nullable().meta({ example: 'https://example.com/agents?key=1' }),
    method: z.enum(NOTIFICATION_METHODS).nullable(),
    event_type: z.enum(EVENT_TYPES).nullable(),
    all_agents: z.boolean().nullable(),
    deleted: z.literal(true).optional().meta({ description: 'It is gone; what it was is not kept' }),
  }),
  agent: z
    .object({ id: z.number().int().meta({ example: 136 }), agent_type: z.enum(AGENT_TYPES), name: z.string() })
    .nullable()
    .meta({ description: 'As it was then; null: the log does not reach back so far' }),
  change: z
    .object({
      id: z.uuid(),
      agent_status: z.enum(AGENT_STATUSES),
      event_source: z.enum(EVENT_SOURCES),
      sequence: z.number().int().meta({ example: 42 }),
      occurred_at: moment,
      changed_at: moment,
    })
    .nullable(),
  status: z.enum(DELIVERY_STATUSES),
  resending: z.literal(true).optional().meta({ description: 'It was delivered, and is sent again' }),
  waiting_for: waitingForSchema,
  next_attempt_at: moment.nullable(),
  expires_at: moment.nullable().meta({ description: 'The retry window ends; null: finished' }),
  attempts_count: z.number().int().meta({ example: 2 }),
  last_attempt: triggeredAttemptSchema.nullable(),
};
export const listedDeliverySchema = z.object(shown).meta({ id: 'ListedDelivery' });

export const deliveryDetailsSchema = z
  .object({
    ...shown,
    attempts: z.array(triggeredAttemptSchema),
    request: z
      .object({
        method: z.enum(NOTIFICATION_METHODS),
        url: z.string().meta({ description: 'As it stands on the request line, with the pairs for GET' }),
        body: z.string().nullable(),
        pairs: z.array(z.tuple([z.string(), z.string()])).meta({ example: [['agent_status', 'available']] }),
        headers: z.record(z.string(), z.string()).meta({ description: 'The signature is shortened' }),
        changed_since: z.boolean().meta({
          description: 'The agent event was changed after the last attempt, which may have been sent elsewhere',
        }),
      })
      .nullable()
      .meta({ description: 'As the last attempt was sent, or the first one will be; null: it can no longer be told' }),
  })
  .meta({ id: 'DeliveryDetails' });

/** The data of an event of the stream of deliveries. */
export const deliveryHintSchema = z
  .object({
    delivery_id: deliveryIdSchema,
    status: z.enum(DELIVERY_STATUSES),
    attempt: z.number().int().nullable().meta({ description: 'The last one; null: none was made', example: 1 }),
  })
  .meta({ id: 'DeliveryHint' });

export type ListedDeliveryView = z.output<typeof listedDeliverySchema>;
export type DeliveryDetailsView = z.output<typeof deliveryDetailsSchema>;
export type TriggeredAttemptView = z.output<typeof triggeredAttemptSchema>;
