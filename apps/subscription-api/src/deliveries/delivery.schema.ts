import { z } from 'zod';
import { AGENT_STATUSES, AGENT_TYPES, EVENT_SOURCES } from '#contracts';
import { DELIVERY_STATUSES } from './delivery-state.js';

export const deliveryIdSchema = z
  .string()
  .meta({ description: 'The `webhook-id` header', example: '019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69_7' });
const moment = z.iso.datetime();

export const attemptSchema = z
  .object({
    attempt: z.number().int().meta({ description: 'From 1', example: 1 }),
    at: moment,
    latency_ms: z.number().int().meta({ example: 85 }),
    outcome: z.enum(['delivered', 'retry', 'failed', 'dropped']),
    http_status: z.number().int().nullable().meta({ example: 200 }),
    error: z.string().nullable(),
    response: z.string().nullable().meta({ description: 'The first 4 KiB, of a success the first 256 bytes' }),
  })
  .meta({ id: 'Attempt' });

export const deliverySchema = z
  .object({
    id: deliveryIdSchema,
    status: z.enum(DELIVERY_STATUSES),
    agent_id: z.number().int().nullable().meta({ example: 136 }),
    agent_type: z.enum(AGENT_TYPES).nullable(),
    agent_status: z.enum(AGENT_STATUSES).nullable(),
    event_source: z.enum(EVENT_SOURCES).nullable(),
    sequence: z.number().int().nullable().meta({ description: 'The agent’s', example: 42 }),
    occurred_at: moment.nullable(),
    next_attempt_at: moment.nullable().meta({ description: 'null: finished, being sent, or behind an earlier one' }),
    expires_at: moment.nullable().meta({ description: 'The retry window ends; null: finished' }),
    attempts: z.array(attemptSchema),
  })
  .meta({ id: 'Delivery' });

export type AttemptView = z.output<typeof attemptSchema>;
export type DeliveryView = z.output<typeof deliverySchema>;

export const testResultSchema = z
  .object({
    status: z.number().int().nullable().meta({ description: 'HTTP status; null: no answer', example: 200 }),
    latency_ms: z.number().int().meta({ example: 85 }),
    body: z.string().nullable().meta({ description: 'The first bytes of the answer' }),
    error: z.string().nullable().meta({ description: 'Why there is no answer' }),
  })
  .meta({ id: 'TestResult' });

export type TestResultView = z.output<typeof testResultSchema>;
