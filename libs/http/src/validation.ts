import { StandardSchemaValidationPipe } from '@nestjs/common';
import type { FieldErrors } from '#contracts';
import { ApiError } from './api-error.js';

/** The part of a Standard Schema issue that is told. */
interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Groups a schema's issues by the field they are about; what concerns the whole value stands under `body`. */
export function fieldErrorsOf(issues: readonly Issue[]): FieldErrors {
  const errors: Record<string, string[]> = {};
  for (const { path, message } of issues) {
    const field = (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.') || 'body';
    (Object.hasOwn(errors, field) ? errors[field]! : (errors[field] = [])).push(message);
  }
  return errors;
}

/** Checks parameters that have a schema (`@Body({ schema })`, `@Query({ schema })`) and hands on what the schema made of them. */
export const validationPipe = new StandardSchemaValidationPipe({
  exceptionFactory: (issues) => new ApiError('validation_error', 'The request is not valid', { errors: fieldErrorsOf(issues) }),
});
