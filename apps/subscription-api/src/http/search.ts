import { z } from 'zod';
import { MAX_NAME_LENGTH } from '#contracts';

// eslint-disable-next-line no-control-regex -- PostgreSQL's text cannot hold the first of them
const CONTROL = /[\u0000-\u001f\u007f]/u;

/** `q` of a list that can be searched: text, in any letter case; without surrounding spaces, and absent where nothing is left. */
export function searchParam(description: string) {
  return z
    .string({ error: 'must be given once' })
    .max(MAX_NAME_LENGTH, `must have at most ${MAX_NAME_LENGTH} characters`)
    .refine((text) => !CONTROL.test(text), 'must not contain control characters')
    .transform((text) => text.trim() || undefined)
    .optional()
    .meta({ description, type: 'string', pattern: '^[^\\u0000-\\u001f\\u007f]*$' });
}

/**
 * Makes the patterns of `ilike any` that find a text anywhere: what stands for other characters there stands for itself. A database
 * may know the letter case of ASCII alone, so that other letters are looked for in the cases that people write names in.
 *
 * @returns null where nothing is searched for
 */
export function containing(text: string | undefined): string[] | null {
  if (text === undefined) return null;
  const lower = text.toLowerCase();
  const capitalised = lower.replace(/(?<!\p{L})\p{L}/gu, (letter) => letter.toUpperCase());
  const spellings = new Set([text, lower, text.toUpperCase(), capitalised]);
  return [...spellings].map((spelling) => `%${spelling.replace(/[\\%_]/g, '\\$&')}%`);
}

/**
 * Makes the pattern of `like` that finds ids which begin so.
 *
 * @returns null where the text begins no id
 */
export function idsBeginning(text: string | undefined): string | null {
  return text !== undefined && /^\d{1,10}$/.test(text) ? `${text}%` : null;
}
