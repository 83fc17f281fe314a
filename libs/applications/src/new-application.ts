import { z } from 'zod';
import { ACCESS_LEVELS } from '#auth';
import { ID_LIMIT, isId, parseId } from '#contracts';

/** In UTF-16 code units. */
export const MAX_APP_ID_LENGTH = 255;
const CLIENT_ID = 'must be a whole number from 0 to 4294967295';

const required =
  (otherwise: string) =>
  (issue: { input?: unknown }): string =>
    issue.input === undefined ? 'is required' : otherwise;

const clientIdSchema = z
  .union([z.number(), z.string()], { error: required(CLIENT_ID) })
  .transform((value, context) => {
    const id = typeof value === 'number' ? (isId(value) ? value : undefined) : parseId(value);
    if (id === undefined) {
      context.addIssue({ code: 'custom', message: CLIENT_ID });
      return z.NEVER;
    }
    return id;
  })
  .meta({
    description: 'The client that it belongs to; a decimal string is read too',
    type: 'integer',
    minimum: 0,
    maximum: ID_LIMIT - 1,
    example: 12,
  });

/** An application that is to be registered: contract §2. */
export const newApplicationSchema = z
  .object(
    {
      app_id: z
        .string({ error: required('must be a string') })
        .min(1, 'must not be empty')
        .max(MAX_APP_ID_LENGTH, `must have at most ${MAX_APP_ID_LENGTH} characters`)
        .refine((text) => !/\p{Cc}/u.test(text) && text.isWellFormed(), 'must not contain control characters')
        // A path cannot name these two: clients resolve them away.
        .refine((text) => text !== '.' && text !== '..', 'must not be . or ..')
        .meta({
          description: 'What it calls itself: `client_id` of a token request',
          example: 'crm',
          pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]+$',
        }),
      client_id: clientIdSchema,
      access: z.enum(ACCESS_LEVELS, { error: required(`must be one of: ${ACCESS_LEVELS.join(', ')}`) }),
    },
    { error: 'must be a JSON object' },
  )
  .meta({ id: 'ApplicationCreate', examples: [{ app_id: 'crm', client_id: 12, access: 'call_api' }] });

export type NewApplication = z.output<typeof newApplicationSchema>;
