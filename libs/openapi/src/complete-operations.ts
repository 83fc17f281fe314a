import { operationIdOf } from './operation-ids.js';
import {
  operationsAt,
  type OpenAPIObject,
  type OperationObject,
  type ParameterObject,
  type ResponseObject,
  type SchemaObject,
} from './operations.js';

/** Says on an operation which access levels may call it; written where they are required. */
export const ACCESS_EXTENSION = 'x-required-access';

export type PathParameter = Pick<ParameterObject, 'description' | 'example'> & { readonly schema: SchemaObject };

/** What follows from a path alone. */
export interface PathRules {
  /** What stands in paths. Handlers get them read and checked, so that Nest does not see them as parameters. */
  readonly parameters: Readonly<Record<string, PathParameter>>;
  /** Whether a path is documented with a trailing slash: contract §1. */
  readonly isCollection: (path: string) => boolean;
}

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

/**
 * Adds to every operation what follows from its path and from who may call it: name, path parameters, trailing slashes, access, and
 * the errors of contract §1.
 *
 * @throws Error where a path parameter is not described
 */
export function completeOperations(document: OpenAPIObject, { parameters, isCollection }: PathRules): void {
  const paths: OpenAPIObject['paths'] = {};
  for (const [bare, item] of Object.entries(document.paths)) {
    const names = [...bare.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
    const path = isCollection(bare) ? `${bare}/` : bare;
    for (const [method, operation] of operationsAt(item)) {
      operation.operationId = operationIdOf(method, path);
      const given = operation.parameters?.filter((one) => !('in' in one && one.in === 'path')) ?? [];
      operation.parameters = [...names.map((name) => parameterOf(name, parameters)), ...given];
      if (!isPublic(operation)) addErrors(operation, names.length > 0, isCollection(bare));
      describeAccess(operation);
    }
    paths[path] = item;
  }
  document.paths = paths;
}

function isPublic({ security }: OperationObject): boolean {
  return security?.some((requirement) => Object.keys(requirement).length === 0) ?? false;
}

function parameterOf(name: string, parameters: PathRules['parameters']): ParameterObject {
  const known = parameters[name];
  if (!known) throw new Error(`the path parameter ${name} is not described`);
  return { name, in: 'path', required: true, ...known };
}

function addErrors(operation: OperationObject, hasPathParameters: boolean, isCollection: boolean): void {
  const statuses = ['401', '429', '500', '503'];
  if (hasPathParameters || isCollection || accessOf(operation)) statuses.push('403');
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

function accessOf(operation: OperationObject): readonly string[] | undefined {
  return (operation as { readonly [ACCESS_EXTENSION]?: readonly string[] })[ACCESS_EXTENSION];
}

/** Adds the access levels that an operation needs to its description and to its 403. */
function describeAccess(operation: OperationObject): void {
  const levels = accessOf(operation);
  if (!levels) return;
  const needed = levels.map((level) => `\`${level}\``).join(' or ');
  operation.description = [operation.description, `Needs an application of access ${needed}.`].filter(Boolean).join('\n\n');
  const refusal = operation.responses['403'];
  if (refusal && !('$ref' in refusal))
    refusal.description = `The application has not the access ${needed}: \`app_access_type_deny\`; or \`access_denied\``;
}
