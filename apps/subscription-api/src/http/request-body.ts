import { z } from 'zod';
import { ApiError } from '#http';
import { checkUrl, MAX_URL_LENGTH, type AddressGuard } from '#webhook';

/** What the schemas of request bodies have in common. */

interface Issue {
  readonly code?: string | undefined;
  readonly input?: unknown;
}

/** Says that a field is required where it is absent, and otherwise what is wrong with it. */
export function requiredOr(otherwise: string): (issue: Issue) => string {
  return ({ input }) => (input === undefined ? 'is required' : otherwise);
}

/** Parameters of a strict object: says that it must be an object, and leaves unknown keys to the schema's own words. */
export const JSON_OBJECT = {
  error: ({ code }: Issue) => (code === 'invalid_type' ? 'must be a JSON object' : undefined),
};

/** Takes a key of the answer, which may be sent back, and does nothing with it. */
export function notRead(description = 'Not read') {
  return z.unknown().optional().meta({ description });
}

/**
 * Reads the url of something that is notified, as far as a schema can say what is wrong with it; {@link assertDestination} says the
 * rest.
 */
export function destinationSchema(about: { readonly description: string; readonly example: string }) {
  return z
    .string({ error: requiredOr('must be a string') })
    .max(MAX_URL_LENGTH, `must have at most ${MAX_URL_LENGTH} characters`)
    .regex(/^\S+$/u, 'must be an absolute http:// or https:// URL without spaces')
    .meta({ description: about.description, format: 'uri', example: about.example });
}

/** @throws ApiError about `url` where the settings, or the url itself, do not let it be notified */
export function assertDestination(url: string, guard: AddressGuard): void {
  const wrong = checkUrl(url, guard);
  if (wrong !== undefined) throw ApiError.invalid('url', wrong);
}
