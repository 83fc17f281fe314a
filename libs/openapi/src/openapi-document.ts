import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';
import { API_ERROR_CODES } from '#http';
import { VERSION } from '#runtime';
import { completeOperations, type PathRules } from './complete-operations.js';
import { jsonSchemaOf } from './json-schema.js';
import { operationsAt, operationsOf, type PathItemObject, type SchemaObject } from './operations.js';

/** The error envelope: contract §1. */
export const errorSchema = z
  .object({
    message: z.string().meta({ description: 'For people' }),
    status: z.enum(API_ERROR_CODES as [string, ...string[]]),
    errors: z
      .record(z.string(), z.array(z.string()))
      .optional()
      .meta({ description: 'What is wrong, by field; with `validation_error`' }),
  })
  .meta({ id: 'Error' });

/** What an API says of itself beside its operations. */
export interface ApiDescription extends PathRules {
  readonly title: string;
  /** Markdown. */
  readonly description: string;
  /** Where it is reached, as an absolute URL without a slash at its end; undefined: where the document is. */
  readonly url?: string | undefined;
  /** Where tokens are given out; undefined: somewhere else. */
  readonly tokenPath?: string | undefined;
  /** What each tag is about; in the order of the page. Tags that are missing here come last. */
  readonly tags: Readonly<Record<string, string>>;
  readonly webhooks?: OpenAPIObject['webhooks'];
  /** Schemas that operations refer to by name: those of bodies that are not read by a schema. */
  readonly schemas?: Readonly<Record<string, SchemaObject>>;
}

/** Describes an application's API in OpenAPI 3.1, out of the schemas that requests are checked with. */
export function buildDocument(app: INestApplication, about: ApiDescription): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.1')
    .setTitle(about.title)
    .setDescription(about.description)
    .setVersion(VERSION)
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer(about.url ?? '/', about.url === undefined ? 'Where this document is' : 'Where it is reached');
  for (const [tag, description] of Object.entries(about.tags)) builder.addTag(tag, description);
  if (about.tokenPath === undefined) {
    builder
      .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'A token of subscription-api' }, 'token')
      .addSecurityRequirements('token');
  } else {
    builder
      .addOAuth2(
        {
          type: 'oauth2',
          description: 'The id and secret of an application',
          flows: {
            clientCredentials: {
              tokenUrl: (about.url ?? '') + about.tokenPath,
              scopes: { all: 'Everything that the application may do' },
            },
          },
        },
        'application',
      )
      .addSecurityRequirements('application', ['all']);
  }
  const document = SwaggerModule.createDocument(app, builder.build(), {
    standardSchemaConverter: (schema, { schemaType }) =>
      schema instanceof z.ZodType ? jsonSchemaOf(schema, schemaType) : undefined,
  });
  if (about.webhooks) document.webhooks = about.webhooks;
  document.info.contact = { name: 'Rollcall' };
  const error = jsonSchemaOf(errorSchema, 'output').components;
  document.components = { ...document.components, schemas: { ...document.components?.schemas, ...error, ...about.schemas } };
  completeOperations(document, about);
  addMissingTags(document);
  sortByTags(document);
  return document;
}

/** Adds the tags of parts that came later, which nobody has described yet. */
function addMissingTags(document: OpenAPIObject): void {
  const known = new Set(document.tags?.map(({ name }) => name));
  const used = operationsOf(document).flatMap(([, operation]) => operation.tags ?? []);
  for (const name of new Set(used)) if (!known.has(name)) (document.tags ??= []).push({ name });
}

/**
 * Puts paths in the order of the page, by their tag, and schemas in that of their names: how the application is put together is nothing
 * that a reader of the document, or of its changes, should see.
 */
function sortByTags(document: OpenAPIObject): void {
  const places = new Map(document.tags?.map(({ name }, place) => [name, place]));
  const placeOf = (item: PathItemObject): number => places.get(operationsAt(item)[0]?.[1].tags?.[0] ?? '') ?? places.size;
  document.paths = Object.fromEntries(Object.entries(document.paths).sort(([, a], [, b]) => placeOf(a) - placeOf(b)));
  const schemas = Object.entries(document.components?.schemas ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  document.components = { ...document.components, schemas: Object.fromEntries(schemas) };
}
