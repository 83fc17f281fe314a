import type { INestApplication } from '@nestjs/common';
import { buildDocument, type OpenAPIObject } from '#openapi';
import { tokenRequestJsonSchema } from '../tokens/tokens.module.js';
import { notificationWebhooks } from './notification-webhooks.js';
import { isCollection, PATH_PARAMETERS } from './operations.js';

const DESCRIPTION = `Tells other software when a call-centre queue agent logs in or out.

Get a token (\`POST /oauth/token\`), then add an agent event: the url is called at every login (\`agent-login\`) or logout
(\`agent-logout\`) of the agent, by GET or POST, with
\`agent_status=available&agent_type=local&event_source=api&agent_id=136&extension_name=000*094%40ringme.ru\`.
What exactly arrives, and what to answer, stands under \`webhooks\`; how to verify it, in docs/receiving.md.

Collections are written with a trailing slash and items without; both forms of both work.
\`{client_id}\` is \`@me\`, the token's own client, or a decimal id.`;

/** Tag → what it is about, in the order of the page. */
const TAGS: Readonly<Record<string, string>> = {
  'Applications and tokens': 'Who may call: applications, their secrets, and tokens (OAuth 2.0 client credentials).',
  Agents: 'The directory of queue agents.',
  'Agent events': 'Where the logins and logouts of one agent are sent.',
  'Agent events of all agents': 'Where those of every agent of the client are sent.',
  'Agent status': 'What agents do: now, in the past, and as it happens.',
  Deliveries: 'What became of the notifications, and sending them again.',
  Replays: 'Sending what was sent before again, as jobs.',
  Notices: 'What people who look after notifications are told, and where it is sent.',
  Series: 'Changes and deliveries over time, for charts.',
  'Signing secrets': 'What notifications are signed with (Standard Webhooks).',
  Console: 'What the console has to know.',
  Notifications: 'What the third party gets.',
};

/** Media type → schema; first what RFC 6749 has. */
const TOKEN_REQUESTS = {
  'application/x-www-form-urlencoded': 'TokenRequest',
  'multipart/form-data': 'TokenRequestMultipart',
  'application/json': 'TokenRequestJson',
} as const;

/**
 * Builds the OpenAPI document of the REST API.
 *
 * @param url where it is reached by others; undefined: where the document is
 */
export function buildOpenApiDocument(app: INestApplication, url?: string): OpenAPIObject {
  const document = buildDocument(app, {
    title: 'Rollcall',
    description: DESCRIPTION,
    url,
    tokenPath: '/oauth/token',
    tags: TAGS,
    webhooks: notificationWebhooks(),
    schemas: Object.fromEntries(Object.values(TOKEN_REQUESTS).map((name) => [name, tokenRequestJsonSchema])),
    parameters: PATH_PARAMETERS,
    isCollection,
  });
  const token = document.paths['/oauth/token']?.post;
  if (token) token.requestBody = { required: true, content: tokenRequests() };
  return document;
}

/** Lists a schema for each media type: generated clients choose the media type by the type of the body. */
function tokenRequests(): Record<string, object> {
  return Object.fromEntries(
    Object.entries(TOKEN_REQUESTS).map(([type, name]) => [type, { schema: { $ref: `#/components/schemas/${name}` } }]),
  );
}
