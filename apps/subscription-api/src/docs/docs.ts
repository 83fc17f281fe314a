import { SwaggerModule } from '@nestjs/swagger';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { buildOpenApiDocument } from './openapi.js';

const UI_PATH = 'api/docs';
const DOCUMENT_PATH = 'api/openapi.json';

/** Serves the OpenAPI document and the API browser, whose files all come from here: contract §3. Needs no token. */
export function serveDocs(app: NestFastifyApplication): void {
  const isDocs = (url: string): boolean => url.startsWith(`/${UI_PATH}`) || url === `/${DOCUMENT_PATH}`;
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRoute', (route) => {
      if (isDocs(route.url)) route.config = { ...route.config, public: true };
    });
  SwaggerModule.setup(UI_PATH, app, () => buildOpenApiDocument(app), {
    jsonDocumentUrl: DOCUMENT_PATH,
    raw: ['json'],
    customSiteTitle: 'Rollcall API',
    swaggerOptions: {
      persistAuthorization: true,
      displayRequestDuration: true,
      tryItOutEnabled: true,
    },
  });
}
