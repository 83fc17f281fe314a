import { z } from 'zod';
import { NOTICE_TYPES, type NoticeType } from '#contracts';
import { pagingSchema } from '../http/paging.js';
import { integerParam } from '../http/query-params.js';
import { destinationSchema, JSON_OBJECT, notRead, requiredOr } from '../http/request-body.js';

const moment = z.iso.datetime();
const id = z.number().int().meta({ example: 3 });
const type = z.enum(NOTICE_TYPES);

export const noticeQuerySchema = z.strictObject({
  before: integerParam(0, 2 ** 32 - 1)
    .optional()
    .meta({ description: '`X-Next-Cursor` of the page before, or the id of a notice: those before it' }),
  per_page: pagingSchema.shape.per_page,
});
export type NoticeQuery = z.output<typeof noticeQuerySchema>;

export const noticeSchema = z
  .object({
    id,
    type,
    at: moment,
    agent_event_id: z.number().int().nullable().meta({ description: 'null: it is about the client', example: 7 }),
    words: z.string().meta({ example: '900 of 1000 agent events are in use: beyond the limit no more can be added.' }),
    data: z.record(z.string(), z.unknown()).meta({
      description:
        '`endpoint.*`: `reason` (`gone`, `failing`, `paused`), `event_type`, `origin`; `replay.finished`: `replay_id`, `total`, `delivered`, `failed`; `limit.near`: `agent_event`, `agent_event_used`',
      example: { agent_event: 1000, agent_event_used: 900 },
    }),
    deliveries: z
      .array(
        z.object({
          notice_event_id: id,
          status: z.enum(['waiting', 'delivered', 'failed', 'dropped']),
          attempts: z.number().int().meta({ example: 1 }),
          last_error: z.string().nullable().meta({ example: 'HTTP 503' }),
        }),
      )
      .meta({ description: 'Where it was sent, and what became of that' }),
  })
  .meta({ id: 'Notice' });
export type NoticeListView = z.output<typeof noticeSchema>;

const TYPES = `must be an array of one or more of: ${NOTICE_TYPES.join(', ')}`;
const url = destinationSchema({
  description: 'Absolute http(s) URL without credentials',
  example: 'https://example.com/notices',
});
/** Each once, in the order of the contract. What is wrong with one of them is told of the field. */
const types = z
  .array(z.unknown(), { error: requiredOr(TYPES) })
  .min(1, TYPES)
  .refine((wanted) => wanted.every((one) => NOTICE_TYPES.some((known) => known === one)), TYPES)
  .transform((wanted): NoticeType[] => NOTICE_TYPES.filter((one) => wanted.includes(one)))
  .meta({ items: { type: 'string', enum: NOTICE_TYPES } });

export const newNoticeEventSchema = z
  .strictObject({ url, types, id: notRead(), suspended: notRead() }, JSON_OBJECT)
  .meta({ id: 'NoticeEventCreate', examples: [{ url: 'https://example.com/notices', types: ['endpoint.suspended'] }] });
export const noticeEventPatchSchema = z
  .strictObject({ url: url.optional(), types: types.optional(), id: notRead(), suspended: notRead() }, JSON_OBJECT)
  .meta({ id: 'NoticeEventChange', description: 'Any subset; what is absent stays', examples: [{ types: ['limit.near'] }] });
export type NewNoticeEvent = Pick<z.output<typeof newNoticeEventSchema>, 'url' | 'types'>;
export type NoticeEventPatch = Pick<z.output<typeof noticeEventPatchSchema>, 'url' | 'types'>;

export const noticeEventSchema = z
  .object({
    id,
    url: z.string().meta({ example: 'https://example.com/notices' }),
    types: z.array(type),
    suspended: z
      .object({ reason: z.enum(['gone', 'failing']), since: moment })
      .nullable()
      .meta({ description: 'null: it is sent to. `gone`: it answered 410; `failing`: nothing has arrived for 5 days' }),
  })
  .meta({ id: 'NoticeEvent' });
export type NoticeEventView = z.output<typeof noticeEventSchema>;
