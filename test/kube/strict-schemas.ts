import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubeObject } from './chart.js';
import type { ObjectSchemas } from './schemas.js';

/**
 * Says what an object has wrong by the schemas of a real API server, unknown fields too. They are written by `npm run test:kube -- -u`.
 *
 * @returns a function that lists what is wrong; nothing: the object is valid
 */
export async function strictSchemas(): Promise<(object: KubeObject) => string[]> {
  const { kinds, definitions } = JSON.parse(await readFile(join(import.meta.dirname, 'schemas.json'), 'utf8')) as ObjectSchemas;
  const ajv = new Ajv({ allErrors: true, strict: false });
  ajv.addSchema({ $id: 'kubernetes', definitions });
  return (object) => {
    const definition = kinds[`${object.apiVersion}/${object.kind}`];
    if (definition === undefined) return [`${object.apiVersion}/${object.kind} is a kind without a schema`];
    const validate = ajv.getSchema(`kubernetes#/definitions/${definition}`) as ValidateFunction;
    return validate(object) === true ? [] : (validate.errors ?? []).map((error) => describeError(error));
  };
}

function describeError({ instancePath, message, params }: ErrorObject): string {
  return `${instancePath}: ${message} ${JSON.stringify(params)}`;
}
