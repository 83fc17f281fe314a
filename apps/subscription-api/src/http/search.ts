import { z } from 'zod';
import { MAX_NAME_LENGTH } from '#contracts';

// eslint-disable-next-line no-control-regex -- PostgreSQL's text cannot hold the first of them
const CONTROL = /[\u0000-\u001f\u007f]/u;

/** Reads `q`, the search text of a list: trimmed, and absent where nothing is left. */
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
 * Makes patterns for `ilike any` that find a text anywhere, with wildcards escaped. A database may fold the case of ASCII only,
 * so other letters are searched in the spellings that people use for names.
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
 * Makes a pattern for `like` that finds ids by their first digits.
 *
 * @returns null where the text begins no id
 */
export function idsBeginning(text: string | undefined): string | null {
  return text !== undefined && /^\d{1,10}$/.test(text) ? `${text}%` : null;
}
