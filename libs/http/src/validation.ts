import { StandardSchemaValidationPipe } from '@nestjs/common';
import type { FieldErrors } from '#contracts';
import { ApiError } from './api-error.js';

/** The part of a Standard Schema issue that is told. */
interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
  /** The keys that a strict object does not know. */
  readonly keys?: unknown;
}

/** Groups a schema's issues by the field they are about; what concerns the whole value stands under `body`. */
export function fieldErrorsOf(issues: readonly Issue[]): FieldErrors {
  const errors: Record<string, string[]> = {};
  const add = (field: string, message: string): void =>
    void (Object.hasOwn(errors, field) ? errors[field]! : (errors[field] = [])).push(message);
  for (const { path, message, keys } of issues) {
    const names = (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part));
    if (Array.isArray(keys)) for (const key of keys) add([...names, String(key)].join('.'), 'is not known here');
    else add(names.join('.') || 'body', message);
  }
  return errors;
}

/** Checks parameters that have a schema (`@Body({ schema })`, `@Query({ schema })`) and hands on what the schema made of them. */
export const validationPipe = new StandardSchemaValidationPipe({
  exceptionFactory: (issues) => new ApiError('validation_error', 'The request is not valid', { errors: fieldErrorsOf(issues) }),
});
