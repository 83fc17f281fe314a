import fastifyStatic from '@fastify/static';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { browserDocumentOf, type BrowserHints } from './browser-document.js';
import type { OpenAPIObject } from './operations.js';

const PAGE = '/api/docs';
const DOCUMENT = '/api/openapi.json';
/** Beside this module, also where it is built. */
const FILES = join(import.meta.dirname, 'page');
const SWAGGER_UI_FILES = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
/** Of Swagger UI, those that the page uses. */
const SWAGGER_UI = ['swagger-ui.css', 'swagger-ui-bundle.js'];
const OWN = { 'docs.js': 'text/javascript', 'docs.css': 'text/css', 'icon.svg': 'image/svg+xml' } as const;

/**
 * Serves an API's OpenAPI document at `/api/openapi.json`, and at `/api/docs` the API browser, whose files all come from here. Needs no
 * token.
 *
 * @param build makes the document; called once, at the first request
 */
export function serveDocs(app: NestFastifyApplication, build: () => Promise<OpenAPIObject>, hints: BrowserHints = {}): void {
  const instance = app.getHttpAdapter().getInstance();
  const config = { public: true };
  let document: Promise<OpenAPIObject> | undefined;
  const built = (): Promise<OpenAPIObject> =>
    (document ??= build().catch((error: unknown) => {
      document = undefined; // tried again at the next request
      throw error;
    }));

  instance.get(DOCUMENT, { config }, async (_request, reply) =>
    reply.type('application/json').send(JSON.stringify(await built())),
  );
  instance.get(`${PAGE}/openapi.json`, { config }, async (_request, reply) =>
    reply.type('application/json').send(JSON.stringify(browserDocumentOf(await built(), hints))),
  );
  instance.get(PAGE, { config }, async (_request, reply) =>
    reply.type('text/html').send(await readFile(join(FILES, 'index.html'))),
  );
  for (const [name, type] of Object.entries(OWN))
    instance.get(`${PAGE}/${name}`, { config }, async (_request, reply) =>
      reply.type(type).send(await readFile(join(FILES, name))),
    );
  // In a scope of its own: a service may serve other files beside these.
  void instance.register(async (scope) => {
    await scope.register(fastifyStatic, { root: SWAGGER_UI_FILES, serve: false });
    for (const name of SWAGGER_UI) scope.get(`${PAGE}/${name}`, { config }, (_request, reply) => reply.sendFile(name));
  });
}
