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
