import type { OpenAPIObject } from '@nestjs/swagger';
import type { OperationObject, ParameterObject, ResponseObject, SchemaObject } from './openapi-types.js';

const METHODS = ['get', 'post', 'put', 'delete'] as const;

const id = (description: string, example: number): PathParameter => ({
  description,
  example,
  schema: { type: 'integer', minimum: 0, maximum: 4_294_967_295 },
});

type PathParameter = Pick<ParameterObject, 'description' | 'example'> & { readonly schema: SchemaObject };

/** What stands in paths. Handlers get them read and checked, so that Nest does not see them as parameters. */
const PATH_PARAMETERS: Readonly<Record<string, PathParameter>> = {
  client_id: {
    description: '`@me`, the client of the token, or its decimal id',
    example: '@me',
    schema: { type: 'string', default: '@me' },
  },
  type: {
    description: '`local`: by extension; `remote`: by phone number',
    example: 'local',
    schema: { type: 'string', enum: ['local', 'remote'] },
  },
  agent_id: id('The agent', 136),
  event_id: id('The agent event', 7),
  replay_id: id('The replay', 3),
  app_id: { description: 'The application', example: 'crm', schema: { type: 'string', minLength: 1, maxLength: 255 } },
  delivery_id: {
    description: 'The delivery: the `webhook-id` header of its notifications',
    example: '019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69_7',
    schema: { type: 'string' },
  },
};

const ERRORS: Readonly<Record<string, string>> = {
  400: 'The request is not valid: `validation_error`',
  401: 'No token, or one that is bad or expired: `unauthorized`',
  403: '`access_denied`, `app_access_type_deny` or `event_limit_exceeded`',
  404: '`client_not_found` (platform applications), `agent_not_found`, `event_not_found`, `delivery_not_found` or `not_found`',
  410: '`cursor_expired`: the log cannot be continued from `after`; read `/agent_status/` again',
  413: 'The body is too large: `payload_too_large`',
  415: 'The body is not JSON: `unsupported_media_type`',
  429: 'Too many requests: `rate_limit_exceeded`, with `Retry-After`',
  500: '`internal_error`',
  503: '`unavailable`: try again',
};

const EXAMPLES: Readonly<Record<string, unknown>> = {
  400: { message: 'The request is not valid', status: 'validation_error', errors: { url: ['is required'] } },
  401: { message: 'Unauthorized', status: 'unauthorized' },
  403: { message: 'Access denied', status: 'access_denied' },
  404: { message: 'Agent not found', status: 'agent_not_found' },
};

/** Adds to every operation what follows from its path alone: path parameters, trailing slashes, and the errors of contract §1. */
export function completeOperations(document: OpenAPIObject): void {
  const paths: OpenAPIObject['paths'] = {};
  for (const [path, item] of Object.entries(document.paths)) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
    for (const method of METHODS) {
      const operation = item[method];
      if (!operation) continue;
      const given = operation.parameters?.filter((one) => !('in' in one && one.in === 'path')) ?? [];
      operation.parameters = [...names.map((name) => parameterOf(name)), ...given];
      // The same handler serves the agent events of one agent and those of all; ids of operations are unique.
      if (path.includes('/agent_events/') && operation.operationId?.endsWith('Delivery')) operation.operationId += 'OfAllAgents';
      if (path.startsWith('/api/')) addErrors(operation, names.length > 0, isCollection(path));
    }
    paths[isCollection(path) ? `${path}/` : path] = item;
  }
  document.paths = paths;
}

function parameterOf(name: string): ParameterObject {
  const known = PATH_PARAMETERS[name];
  if (!known) throw new Error(`the path parameter ${name} is not described`);
  return { name, in: 'path', required: true, ...known };
}

/** Contract §1: collections are documented with a trailing slash, items and what is done with them without. */
function isCollection(path: string): boolean {
  return /\/(event|agent_events|agent_event_health|limit|agent|client|agent_status|delivery|origin|webhook_secret|application|agent\/\{type\})$/.test(
    path,
  );
}

function addErrors(operation: OperationObject, hasPathParameters: boolean, isCollection: boolean): void {
  const statuses = ['401', '429', '500', '503'];
  if (hasPathParameters || isCollection) statuses.push('403');
  if (hasPathParameters) statuses.push('404');
  if (operation.requestBody) statuses.push('400', '413', '415');
  if (operation.parameters?.some((one) => 'in' in one && one.in === 'query')) statuses.push('400');
  if (operation.parameters?.some((one) => 'name' in one && one.name === 'after')) statuses.push('410');
  for (const status of statuses) {
    const example = EXAMPLES[status];
    operation.responses[status] ??= {
      description: ERRORS[status]!,
      content: {
        'application/json': { schema: { $ref: '#/components/schemas/Error' }, ...(example !== undefined && { example }) },
      },
    } satisfies ResponseObject;
  }
}
