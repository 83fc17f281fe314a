import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { SchemaObject } from './operations.js';

export interface ConvertedSchema {
  readonly schema: SchemaObject | { $ref: string };
  readonly components: Record<string, SchemaObject>;
}

/** Converts a zod schema to OpenAPI 3.1 (JSON Schema 2020-12); schemas with an id become components. */
export function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): ConvertedSchema {
  const { $defs, ...body } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ jsonSchema }) => simplify(jsonSchema, io),
  });
  delete body.$schema; // the document says it for all
  const components = Object.fromEntries(Object.entries($defs ?? {}).map(([name, definition]) => [name, componentOf(definition)]));
  const { id, ...about } = z.globalRegistry.get(schema) ?? {};
  if (id === undefined) return { schema: componentOf(body), components };
  return {
    schema: { $ref: `#/components/schemas/${id}` },
    components: { ...components, [id]: { ...(components[id] ?? componentOf(body)), ...about } },
  };
}

const MAX_INT32 = 2_147_483_647;

/**
 * Removes what readers do not need (patterns that repeat the format, and the bounds of a JSON number), and adds what code
 * generators need.
 */
function simplify(schema: z.core.JSONSchema.BaseSchema, io: 'input' | 'output'): void {
  if (schema.format !== undefined) delete schema.pattern;
  if (schema.type === 'integer') delete schema.pattern; // out of a query string
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  // Answers may gain keys.
  if (io === 'output' && schema.additionalProperties === false) delete schema.additionalProperties;
  sayWidth(schema);
  spellOutTuple(schema);
}

/** Marks integers that may exceed 32 bits: generators assume 32 bits otherwise. */
function sayWidth(schema: z.core.JSONSchema.BaseSchema): void {
  const isInteger = schema.type === 'integer' || (Array.isArray(schema.type) && schema.type.includes('integer'));
  if (isInteger && (schema.maximum ?? Infinity) > MAX_INT32) schema.format = 'int64';
}

/** Rewrites a tuple of one type as an array of fixed length: code generators know `items`, few know `prefixItems`. */
function spellOutTuple(schema: z.core.JSONSchema.BaseSchema): void {
  const [first, ...rest] = schema.prefixItems ?? [];
  if (first === undefined || rest.some((one) => !isDeepStrictEqual(one, first))) return;
  schema.items = first;
  schema.minItems = schema.maxItems = rest.length + 1;
  delete schema.prefixItems;
}

/** Points a schema's references to the document's components. */
function componentOf(schema: object): SchemaObject {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/')) as SchemaObject;
}
