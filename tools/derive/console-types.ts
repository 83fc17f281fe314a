import openapiTS, { astToString } from 'openapi-typescript';

interface Described {
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

const HEADER = '// What the APIs answer, of docs/openapi.json and docs/openapi-telemetry.json: written by `npm run derive`.\n\n';

/**
 * Writes the schemas of OpenAPI documents as types for the console.
 *
 * @param documents where two name a schema alike, the later one's counts
 * @returns a TypeScript module
 */
export async function consoleTypes(...documents: readonly unknown[]): Promise<string> {
  const schemas = Object.assign({}, ...documents.map((document) => (document as Described).components.schemas)) as object;
  const all = { openapi: '3.1.0', info: { title: 'Rollcall', version: '1' }, paths: {}, components: { schemas } };
  return HEADER + astToString(await openapiTS(JSON.stringify(all), { immutable: true }));
}
