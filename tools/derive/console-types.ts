import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import openapiTS, { astToString } from 'openapi-typescript';

type Schemas = Readonly<Record<string, unknown>>;

interface ObjectSchema {
  readonly type: 'object';
  readonly properties: Schemas;
  readonly required?: readonly string[];
}

const HEADER =
  '// What the APIs answer, as far as types.ts names it, of docs/openapi.json and docs/openapi-telemetry.json: written by `npm run derive`.\n\n';

/**
 * Writes those schemas of OpenAPI documents as types that the console has a name for. A schema that is a part of another one, or whose
 * properties another one has besides its own, is named there and not repeated.
 *
 * @param typesFile the console's names: those in `Schemas['…']` are written
 * @param documents where two name a schema alike, the later one's counts
 * @returns a TypeScript module
 * @throws Error when the console names a schema that no document has
 */
export async function consoleTypes(typesFile: string, ...documents: readonly unknown[]): Promise<string> {
  const described = Object.assign(
    {},
    ...documents.map((document) => (document as { components: { schemas: Schemas } }).components.schemas),
  ) as Schemas;
  const names = new Set(Array.from((await readFile(typesFile, 'utf8')).matchAll(/Schemas\['(\w+)'\]/g), ([, name]) => name!));
  for (const name of names) if (!(name in described)) throw new Error(`${typesFile} names ${name}, which no document describes`);
  const wanted = Object.entries(described).flatMap(([name, schema]) =>
    names.has(name) ? [[name, withoutExamples(schema)] as const] : [],
  );
  const schemas = Object.fromEntries(wanted.map(([name, schema]) => [name, withReferences(schema, largestFirst(wanted), name)]));
  const document = { openapi: '3.1.0', info: { title: 'Rollcall', version: '1' }, paths: {}, components: { schemas } };
  return HEADER + withoutEnumTags(astToString(await openapiTS(JSON.stringify(document), { immutable: true })));
}

/** The types say it themselves. */
function withoutEnumTags(types: string): string {
  return types
    .replaceAll(/^ *\/\*\* @enum \{\w+\} \*\/\n/gm, '')
    .replaceAll(/\/\*\*\n *\* (.+)\n *\* @enum \{\w+\}\n *\*\//g, '/** $1 */')
    .replaceAll(/^ *\* @enum \{\w+\}\n/gm, '');
}

function mapValues(value: unknown, map: (value: unknown, key: string) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item, index) => map(item, String(index)));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => {
      const mapped = map(item, key);
      return mapped === undefined ? [] : [[key, mapped]];
    }),
  );
}

/** Types have nothing of these. Properties may be called like them. */
function withoutExamples(schema: unknown): unknown {
  return mapValues(schema, (value, key) => {
    if (key === 'example' || key === 'examples' || key === 'format') return undefined;
    return key === 'properties' ? mapValues(value, withoutExamples) : withoutExamples(value);
  });
}

function largestFirst(schemas: readonly (readonly [string, unknown])[]): typeof schemas {
  return schemas.toSorted(([, one], [, other]) => JSON.stringify(other).length - JSON.stringify(one).length);
}

/** @param itsName the name of the schema itself, which it does not refer to; absent for a part of a schema */
function withReferences(schema: unknown, named: readonly (readonly [string, unknown])[], itsName?: string): unknown {
  for (const [name, base] of named) {
    const reference = { $ref: `#/components/schemas/${name}` };
    if (itsName === undefined && isDeepStrictEqual(schema, base)) return reference;
    const added = name === itsName ? undefined : addedTo(base, schema);
    if (added) {
      const { description } = schema as { description?: string };
      return { ...(description !== undefined && { description }), allOf: [reference, withReferences(added, named)] };
    }
  }
  return mapValues(schema, (value) => withReferences(value, named));
}

/** What a schema has beyond everything that another one has; undefined where it lacks some of it, or has no more. */
function addedTo(base: unknown, schema: unknown): ObjectSchema | undefined {
  const [branches, baseBranches] = [branchesOf(schema), branchesOf(base)];
  if (branches && baseBranches) {
    const [added, ...others] = branches.map((branch, index) => addedTo(baseBranches[index], branch));
    const isSame = branches.length === baseBranches.length && others.every((other) => isDeepStrictEqual(other, added));
    return isSame ? added : undefined;
  }
  if (!isObjectSchema(base) || !isObjectSchema(schema)) return undefined;
  const isInherited = (key: string): boolean =>
    isDeepStrictEqual(schema.properties[key], base.properties[key]) &&
    (schema.required ?? []).includes(key) === (base.required ?? []).includes(key);
  const inherited = Object.keys(base.properties);
  const own = Object.entries(schema.properties).filter(([key]) => !inherited.includes(key));
  if (own.length === 0 || !inherited.every(isInherited)) return undefined;
  const required = schema.required?.filter((key) => !inherited.includes(key)) ?? [];
  return { type: 'object', properties: Object.fromEntries(own), ...(required.length > 0 && { required }) };
}

function branchesOf(schema: unknown): readonly unknown[] | undefined {
  return (schema as { anyOf?: readonly unknown[] } | undefined)?.anyOf;
}

const PLAIN_KEYS = new Set(['type', 'properties', 'required', 'description']);

/** Tells whether a schema lists the properties of an object and says nothing else of them. */
function isObjectSchema(schema: unknown): schema is ObjectSchema {
  if (typeof schema !== 'object' || schema === null) return false;
  return 'properties' in schema && Object.keys(schema).every((key) => PLAIN_KEYS.has(key));
}
