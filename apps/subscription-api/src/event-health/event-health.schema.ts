import { z } from 'zod';
import { attemptSchema, deliveryIdSchema } from '../deliveries/delivery.schema.js';

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
