import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { buildDocument, serveDocs } from '#openapi';
import { telemetryItemJsonSchema } from './telemetry/telemetry.schema.js';

const DESCRIPTION = `Takes what queue agents do, as often as it is told, and publishes real status changes.

Calls need the token of an application of access \`platform\`, which subscription-api gives out (\`POST /oauth/token\` there).`;

/** Serves presence's OpenAPI document and API browser, at the same paths as subscription-api does its own. */
export function servePresenceDocs(app: NestFastifyApplication): void {
  serveDocs(app, () =>
    Promise.resolve(
      buildDocument(app, {
        title: 'Rollcall telemetry',
        description: DESCRIPTION,
        tags: { Telemetry: 'What agents do, reported by internal services.' },
        schemas: { TelemetryItem: telemetryItemJsonSchema() },
        parameters: {},
        isCollection: () => false,
      }),
    ),
  );
}
