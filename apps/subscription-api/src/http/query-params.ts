import { z } from 'zod';
import { timeSchema } from '#contracts';

/** Reads a whole number out of a query string. */
export function integerParam(minimum: number, maximum: number) {
  const message = `must be a whole number from ${minimum} to ${maximum}`;
  return z
    .string({ error: message })
    .regex(/^\d{1,16}$/, message)
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, message)
    .meta({ type: 'integer', minimum, maximum });
}

/** Reads one of some words out of a query string. */
export function wordParam<const T extends readonly [string, ...string[]]>(words: T) {
  return z.enum(words, { error: `must be ${words.slice(0, -1).join(', ')} or ${words.at(-1)!}` });
}

/** Reads a moment in a query string or body: RFC 3339. */
export const momentSchema = timeSchema.transform((ms) => new Date(ms));
