import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';
import { VERSION } from '#runtime';
import { completeOperations } from './operations.js';
import { errorSchema } from './error.schema.js';
import { jsonSchemaOf } from './json-schema.js';

const DESCRIPTION = `Tells other software when a call-centre queue agent logs in or out.

Get a token (\`POST /oauth/token\`, or **Authorize** here), then add an agent event: the url is called at every login
(\`agent-login\`) or logout (\`agent-logout\`) of the agent, by GET or POST, with
\`agent_status=available&agent_type=local&event_source=api&agent_id=136&extension_name=000*094%40ringme.ru\`.

Collections are written with a trailing slash and items without; both forms of both work.
\`{client_id}\` is \`@me\`, the token's own client, or a decimal id.`;

/** The description of the REST API, OpenAPI 3.1, out of the schemas that requests are checked with. */
export function buildOpenApiDocument(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.1')
    .setTitle('Rollcall')
    .setDescription(DESCRIPTION)
    .setVersion(VERSION)
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addOAuth2({
      type: 'oauth2',
      flows: { clientCredentials: { tokenUrl: '/oauth/token', scopes: { all: 'Everything that the application may do' } } },
    })
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' })
    .addSecurityRequirements('oauth2', ['all'])
    .addSecurityRequirements('bearer')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    standardSchemaConverter: (schema, { schemaType }) =>
      schema instanceof z.ZodType ? jsonSchemaOf(schema, schemaType) : undefined,
    operationIdFactory: (controller, method) => `${method}${controller.replace(/Controller$/, '')}`,
  });
  const error = jsonSchemaOf(errorSchema, 'output');
  document.components = { ...document.components, schemas: { ...document.components?.schemas, ...error.components } };
  completeOperations(document);
  return document;
}
