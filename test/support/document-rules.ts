import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** What of an OpenAPI document the rules look at; everything else is passed over. */
type Node = Readonly<Record<string, unknown>>;

const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'options', 'head', 'trace'];
const REFERENCE = '#/components/schemas/';

/**
 * Judges an OpenAPI 3.1 document by what generators of clients, and readers, need. It is what the linters of `npm run test:clients` ask,
 * as far as it matters here, and takes no time.
 *
 * @returns each fault with where it is; empty: none
 */
export function faultsOf(document: object): string[] {
  const { servers, tags, paths, webhooks, components } = document as Record<string, unknown>;
  const described = new Map(list(tags).map(({ name, description }) => [name, description]));
  const operations = [...operationsOf(paths), ...operationsOf(webhooks)];
  return [
    ...(list(servers).length === 0 ? ['servers: there is none'] : []),
    ...[...described].filter(([, text]) => !text).map(([name]) => `tag ${String(name)}: no description`),
    ...repeated(operations.map(({ operation }) => String(operation['operationId']))).map((id) => `${id}: stands twice`),
    ...operations.flatMap(({ where, operation }) => operationFaults(operation, described).map((fault) => `${where}: ${fault}`)),
    ...Object.keys(object(object(components)['schemas'])).flatMap((name) =>
      /^New[A-Z]/.test(name) ? [`schema ${name}: Go calls constructors so`] : [],
    ),
    ...schemaFaults(document),
    ...exampleFaults(document),
  ];
}

/** An event of a stream is told of by its example, and a stream of several kinds by one of each. */
function streamFaults(responses: unknown): string[] {
  return Object.values(object(responses)).flatMap((response) => {
    const { schema, examples } = object(object(object(response)['content'])['text/event-stream']);
    if (schema === undefined) return [];
    const kinds = list(object(schema)['anyOf']).length || 1;
    const count = Object.keys(object(examples)).length;
    return count < kinds ? [`${count} examples of a stream of ${kinds} kinds of events`] : [];
  });
}

function operationFaults(operation: Node, tags: ReadonlyMap<unknown, unknown>): string[] {
  const { operationId, summary, description, responses } = operation;
  const faults: string[] = [];
  if (!/^[a-z]+([A-Z][a-z]+)+$/.test(String(operationId))) faults.push(`the operationId ${String(operationId)} is no words`);
  if (!summary) faults.push('no summary');
  if (!description) faults.push('no description');
  const own = operation['tags'];
  if (!Array.isArray(own) || own.length !== 1 || !tags.has(own[0])) faults.push('not one tag of the document');
  for (const parameter of list(operation['parameters'])) {
    if (parameter['in'] !== 'path') continue;
    const name = `path parameter ${String(parameter['name'])}`;
    if (!parameter['description']) faults.push(`${name} has no description`);
    if ('default' in object(parameter['schema'])) faults.push(`${name} has a default`); // of which Python's generator makes no Python
  }
  faults.push(...streamFaults(responses));
  const statuses = Object.entries(object(responses));
  if (!statuses.some(([status]) => /^(2|3)/.test(status))) faults.push('no answer to a good request');
  for (const [status, response] of statuses) if (!object(response)['description']) faults.push(`no description of ${status}`);
  return faults;
}

/** References that lead nowhere, and what generators of clients make nothing, or something wrong, of. */
function schemaFaults(document: object): string[] {
  return nodesOf(document).flatMap(({ pointer, node }) => {
    const { $ref, type, items, format, maximum, allOf } = node;
    if (type === 'array' && typeof items !== 'object') return [`${pointer}: an array without items`];
    if (type === 'integer' && Number(maximum) > 2 ** 31 - 1 && format !== 'int64') return [`${pointer}: int64 is not said`];
    if (allOf !== undefined) return [`${pointer}: allOf`];
    if (typeof $ref !== 'string') return [];
    const schemas = object(object((document as Record<string, unknown>)['components'])['schemas']);
    return $ref.startsWith(REFERENCE) && $ref.slice(REFERENCE.length) in schemas ? [] : [`${pointer}: ${$ref} leads nowhere`];
  });
}

/** Examples that are none: in schemas, and beside the schema of a parameter or body. */
function exampleFaults(document: object): string[] {
  const ajv = new Ajv2020({ strict: false, validateSchema: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, 'document');
  const judge = (pointer: string, schema: string, example: unknown): string[] => {
    if (ajv.validate({ $ref: `document#${schema}` }, example)) return [];
    return [`${pointer}: the example is not valid: ${ajv.errorsText()}`];
  };
  return nodesOf(document).flatMap(({ pointer, node }) => {
    const { example, examples, schema } = node;
    const given: unknown[] = example !== undefined ? [example] : [];
    if (schema !== undefined) {
      // Beside the schema of a parameter or body they have names.
      given.push(...Object.values(object(examples)).map((one) => object(one)['value']));
      return given.flatMap((one) => judge(pointer, `${pointer}/schema`, one));
    }
    if (Array.isArray(examples)) given.push(...(examples as unknown[]));
    return given.flatMap((one) => judge(pointer, pointer, one));
  });
}

/** Every object in it with its JSON pointer, as a URI fragment; what examples hold is no part of the document. */
function nodesOf(value: unknown, pointer = '', isNamed = false): { pointer: string; node: Node }[] {
  if (typeof value !== 'object' || value === null) return [];
  const children = Object.entries(value).flatMap(([name, child]) => {
    if (!isNamed && (name === 'example' || name === 'examples')) return [];
    const step = encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'));
    // The keys of these are names that somebody gave.
    return nodesOf(child, `${pointer}/${step}`, !isNamed && ['properties', 'schemas', 'responses', 'paths'].includes(name));
  });
  return Array.isArray(value) || isNamed ? children : [{ pointer, node: value as Node }, ...children];
}

function operationsOf(items: unknown): { where: string; operation: Node }[] {
  return Object.entries(object(items)).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = object(item)[method];
      return operation === undefined ? [] : [{ where: `${method.toUpperCase()} ${path}`, operation: object(operation) }];
    }),
  );
}

function repeated(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}

const object = (value: unknown): Node => (typeof value === 'object' && value !== null ? (value as Node) : {});
const list = (value: unknown): readonly Node[] => (Array.isArray(value) ? value.map(object) : []);
