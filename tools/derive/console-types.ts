import { readFile } from 'node:fs/promises';
import openapiTS, { astToString } from 'openapi-typescript';

type Schemas = Readonly<Record<string, unknown>>;

const HEADER =
  '// What the APIs answer, as far as types.ts names it, of docs/openapi.json and docs/openapi-telemetry.json: written by `npm run derive`.\n\n';

/**
 * Writes those schemas of OpenAPI documents as types that the console has a name for. What a schema holds that is one of its own is
 * named, not repeated.
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
  const named = new Map(wanted.map(([name, schema]) => [JSON.stringify(schema), name]));
  const schemas = Object.fromEntries(wanted.map(([name, schema]) => [name, withReferences(schema, named, true)]));
  const document = { openapi: '3.1.0', info: { title: 'Rollcall', version: '1' }, paths: {}, components: { schemas } };
  return HEADER + astToString(await openapiTS(JSON.stringify(document), { immutable: true }));
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

function withReferences(schema: unknown, named: ReadonlyMap<string, string>, isOutermost = false): unknown {
  const name = isOutermost ? undefined : named.get(JSON.stringify(schema));
  if (name !== undefined) return { $ref: `#/components/schemas/${name}` };
  return mapValues(schema, (value) => withReferences(value, named));
}
