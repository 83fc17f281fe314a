import type { OpenAPIObject } from '@nestjs/swagger';

/** Parts of the document, which @nestjs/swagger exports no names for. */
type ReferenceObject = { $ref: string };
type Resolved<T> = Exclude<T, ReferenceObject | undefined>;

export type OperationObject = Resolved<OpenAPIObject['paths'][string]['get']>;
export type ParameterObject = Resolved<NonNullable<OperationObject['parameters']>[number]>;
export type ResponseObject = Resolved<OperationObject['responses'][string]>;
export type SchemaObject = Resolved<NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string]>;
export type PathItemObject = OpenAPIObject['paths'][string];
export type { OpenAPIObject };

export const METHODS = ['get', 'post', 'put', 'delete'] as const;
/** What operations are called by. */
export type Method = (typeof METHODS)[number];

/** Lists the operations of a path, in the order of {@link METHODS}. */
export function operationsAt(item: PathItemObject): [Method, OperationObject][] {
  return METHODS.flatMap((method): [Method, OperationObject][] => (item[method] ? [[method, item[method]]] : []));
}

/** Lists all operations of a document. */
export function operationsOf({ paths }: OpenAPIObject): [Method, OperationObject][] {
  return Object.values(paths).flatMap(operationsAt);
}
