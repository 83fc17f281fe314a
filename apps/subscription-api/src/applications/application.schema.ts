import { z } from 'zod';
import { MAX_KEEP_PREVIOUS_SECONDS } from '#applications';
import { ACCESS_LEVELS } from '#auth';
import { ID_LIMIT } from '#contracts';
import { pagingSchema } from '../http/paging.js';
import { integerParam } from '../http/query-params.js';

const shown = {
  app_id: z.string().meta({ example: 'crm' }),
  client_id: z.number().int().meta({ example: 12 }),
  access: z.enum(ACCESS_LEVELS),
  created_at: z.iso.datetime(),
  revoked_at: z.iso.datetime().nullable().meta({ description: 'null: it may call', example: null }),
};
export const applicationSchema = z.object(shown).meta({ id: 'Application' });
export const applicationWithSecretSchema = z
  .object({
    ...shown,
    secret: z.string().meta({ description: 'Not shown again', example: 'x7Jv3mA0rC9dYwq1sT5uKeBf2gHhLpZ8nXoQ4iRjMzE' }),
  })
  .meta({ id: 'ApplicationWithSecret' });

export const applicationQuerySchema = pagingSchema.extend({
  client_id: integerParam(0, ID_LIMIT - 1)
    .optional()
    .meta({ description: 'Of this client alone' }),
});
export type ApplicationQuery = z.output<typeof applicationQuerySchema>;

const KEEP = `must be a whole number from 0 to ${MAX_KEEP_PREVIOUS_SECONDS}`;
/** The body of a rotation, which may be left out. */
export const rotationSchema = z
  .object(
    {
      keep_previous_for: z
        .int({ error: KEEP })
        .min(0, KEEP)
        .max(MAX_KEEP_PREVIOUS_SECONDS, KEEP)
        .default(0)
        .meta({ description: 'Seconds that the replaced secret goes on' }),
    },
    { error: 'must be a JSON object' },
  )
  .meta({ id: 'SecretRotation', examples: [{ keep_previous_for: 3600 }] })
  .prefault({});
export type SecretRotation = z.output<typeof rotationSchema>;
