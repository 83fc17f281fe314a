import { z } from 'zod';
import { momentSchema } from '../http/query-params.js';
import { JSON_OBJECT, notRead } from '../http/request-body.js';

const moment = z.iso.datetime();
const REPLAY_STATUSES = ['running', 'finished', 'cancelled'] as const;

export const replaySchema = z
  .object({
    id: z.number().int().meta({ example: 3 }),
    status: z.enum(REPLAY_STATUSES).meta({ example: 'running' }),
    total: z.number().int().meta({ description: 'Deliveries in all', example: 118 }),
    queued: z.number().int().meta({ description: 'Those that are not over yet; 0 once it is cancelled', example: 100 }),
    delivered: z.number().int().meta({ example: 17 }),
    failed: z.number().int().meta({ description: 'Those that failed again', example: 1 }),
    created_at: moment,
  })
  .meta({ id: 'Replay' });

export type ReplayView = z.output<typeof replaySchema>;

export const replayCountSchema = z
  .object({
    count: z.number().int().meta({ description: 'Deliveries that a replay sends; of more than 100,000, 100,000', example: 118 }),
    first: moment.nullable().meta({ description: 'When the first of them changed; null: there are none' }),
    last: moment.nullable(),
  })
  .meta({ id: 'ReplayCount' });

export type ReplayCountView = z.output<typeof replayCountSchema>;

const span = {
  since: momentSchema.meta({ format: 'date-time' }),
  until: momentSchema.optional().meta({ format: 'date-time' }),
  only: z
    .enum(['failed', 'all'], { error: 'must be failed or all' })
    .default('all')
    .meta({ description: '`failed`: what has failed alone; it reaches as far back as attempts are kept' }),
};
const isSpan = ({ since, until }: ReplaySpan): boolean => until === undefined || until > since;
const NO_SPAN = { path: ['until'], error: 'must be later than since' };
const META = {
  description: 'The finished deliveries of the changes from `since` until (not including) `until`, default now',
  examples: [{ since: '2026-11-22T10:00:00Z', until: '2026-11-22T12:00:00Z', only: 'failed' }],
};

export const newReplaySchema = z
  .strictObject(
    {
      ...span,
      id: notRead(),
      status: notRead(),
      total: notRead(),
      queued: notRead(),
      delivered: notRead(),
      failed: notRead(),
      created_at: notRead(),
    },
    JSON_OBJECT,
  )
  .refine(isSpan, NO_SPAN)
  .meta({ id: 'ReplayCreate', ...META });
export const replaySpanSchema = z
  .strictObject({ ...span, count: notRead(), first: notRead(), last: notRead() }, JSON_OBJECT)
  .refine(isSpan, NO_SPAN)
  .meta({ id: 'ReplaySpan', ...META });

/** Which deliveries are sent again. */
export interface ReplaySpan {
  readonly since: Date;
  readonly until?: Date | undefined;
  readonly only: 'failed' | 'all';
}
