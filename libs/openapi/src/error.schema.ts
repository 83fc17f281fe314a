import { z } from 'zod';
import { API_ERROR_CODES } from '#http';

/** The error envelope: contract §1. */
export const errorSchema = z
  .object({
    message: z.string().meta({ description: 'For people' }),
    status: z.enum(API_ERROR_CODES as [string, ...string[]]),
    errors: z
      .record(z.string(), z.array(z.string()))
      .optional()
      .meta({ description: 'What is wrong, by field; with `validation_error`' }),
  })
  .meta({ id: 'Error' });
