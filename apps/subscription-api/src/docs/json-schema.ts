import { z } from 'zod';
import type { SchemaObject } from './openapi-types.js';

export interface ConvertedSchema {
  readonly schema: SchemaObject | { $ref: string };
  readonly components: Record<string, SchemaObject>;
}

/** A zod schema as OpenAPI 3.1 has it (JSON Schema 2020-12); those with an id become components. */
export function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): ConvertedSchema {
  const { $defs, ...body } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  delete body.$schema; // the document says it for all
  const components = Object.fromEntries(Object.entries($defs ?? {}).map(([id, definition]) => [id, componentOf(definition)]));
  const id = z.globalRegistry.get(schema)?.id;
  if (id === undefined) return { schema: componentOf(body), components };
  return { schema: { $ref: `#/components/schemas/${id}` }, components: { ...components, [id]: componentOf(body) } };
}

/** References lead to the document's components, and what a reader of zod alone needs is left out. */
function componentOf(schema: object): SchemaObject {
  const text = JSON.stringify(schema, (key, value: unknown) => (key === 'id' && typeof value === 'string' ? undefined : value));
  return JSON.parse(text.replaceAll('"#/$defs/', '"#/components/schemas/')) as SchemaObject;
}
