import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { serveDocs, type BrowserHints } from '#openapi';
import { buildOpenApiDocument } from './openapi.js';
import { forwardTelemetry, withTelemetry } from './telemetry-beside.js';

/** What the API browser knows of the place that it runs in. */
export interface DocsPlace {
  /** Where others reach this service: PUBLIC_URL. */
  readonly url?: string | undefined;
  /** Base URL of a presence in the same process, whose telemetry is then part of the page. */
  readonly presenceUrl?: string | undefined;
  readonly hints?: BrowserHints | undefined;
}

/** Serves the OpenAPI document and the API browser: contract §3. */
export function serveApiDocs(app: NestFastifyApplication, { url, presenceUrl, hints }: DocsPlace): void {
  if (presenceUrl === undefined) {
    serveDocs(app, () => Promise.resolve(buildOpenApiDocument(app, url)), hints);
    return;
  }
  forwardTelemetry(app, presenceUrl);
  serveDocs(app, () => withTelemetry(buildOpenApiDocument(app, url), presenceUrl), hints);
}
