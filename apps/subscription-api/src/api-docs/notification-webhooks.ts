import { AGENT_TYPES, EVENT_SOURCES, eventTypeOf, AGENT_STATUSES, NOTICE_TYPES, type AgentStatus } from '#contracts';
import type { OpenAPIObject, OperationObject, ParameterObject, SchemaObject } from '#openapi';

const ANSWERS: OperationObject['responses'] = {
  '2XX': { description: 'Delivered. The head of the answer counts; its first 256 bytes are kept to be shown.' },
  '410': { description: 'The agent event is suspended (`gone`): nothing more is sent until it is resumed.' },
  '429': {
    description: 'Tried again, not before `Retry-After` (seconds or a date, up to 1 h) has passed.',
    headers: { 'Retry-After': { description: 'Seconds, or an HTTP date', schema: { type: 'string' } } },
  },
  default: {
    description:
      'Tried again, as after no answer within 10 s (5 s to connect): after 5 s, 30 s, 2 m, 5 m, 15 m, 30 m, 1 h, 2 h, 4 h, 8 h, 8 h, each ±20 %, within 24 h of the change. Redirects are not followed. Failures for 5 days on end suspend the agent event (`failing`).',
  },
};

const header = (name: string, description: string, schema: SchemaObject, isRequired = true): ParameterObject => ({
  name,
  in: 'header',
  required: isRequired,
  description,
  schema,
});

const HEADERS: readonly ParameterObject[] = [
  header('webhook-id', 'The same over every attempt: tells a repeat from a new notification', {
    type: 'string',
    examples: ['019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69_7'],
  }),
  header('webhook-timestamp', 'When this attempt was made, in seconds since 1970', { type: 'integer', examples: [1763805600] }),
  header(
    'webhook-signature',
    'Standard Webhooks, `v1,<base64>`: HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<pairs>`, where the pairs are the bytes as they came: the body (POST), or the query from its last `agent_status=` on (GET). Two of them, apart by a space, for 24 h after the secret was rotated.',
    { type: 'string', examples: ['v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='] },
  ),
  header('webhook-attempt', 'Counts from 1', { type: 'integer', minimum: 1, examples: [1] }),
  header('webhook-event-time', 'When the agent logged in or out', { type: 'string', format: 'date-time' }),
  header('webhook-sequence', 'Counts the changes of the agent: a lower one than before is old', { type: 'integer', minimum: 1 }),
  header('webhook-test', '`1` on a test that somebody asked for', { type: 'string', enum: ['1'] }, false),
  header('traceparent', 'W3C trace context', { type: 'string' }),
];

/** Describes what the third party receives, as `webhooks` of the OpenAPI document: contract §6. */
export function notificationWebhooks(): NonNullable<OpenAPIObject['webhooks']> {
  return {
    ...Object.fromEntries(AGENT_STATUSES.map((status) => [eventTypeOf(status), webhookOf(status)])),
    notice: noticeWebhook(),
  };
}

function noticeWebhook(): NonNullable<OpenAPIObject['webhooks']>[string] {
  return {
    post: {
      tags: ['Notifications'],
      operationId: 'notifyNotice',
      summary: 'A notice, as JSON',
      description:
        'Sent to the url of each notice event that wants its type. The signature is over the body; answers count as those of notifications do, and 410 suspends the notice event.',
      security: [],
      responses: {
        ...ANSWERS,
        '410': { description: 'The notice event is suspended: nothing more is sent until it is resumed.' },
      },
      parameters: HEADERS.filter((one) => !NOT_OF_NOTICES.includes(one.name)),
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: {
              type: 'object',
              required: ['id', 'type', 'at', 'agent_event_id', 'words', 'data', 'client_id'],
              properties: {
                id: { type: 'integer', examples: [3] },
                type: { type: 'string', enum: [...NOTICE_TYPES] },
                at: { type: 'string', format: 'date-time' },
                agent_event_id: { type: ['integer', 'null'], description: 'null: it is about the client', examples: [7] },
                words: { type: 'string', description: 'The notice, for people' },
                data: { type: 'object', description: 'What it says beside, by its type' },
                client_id: { type: 'integer', examples: [12] },
              },
            },
          },
        },
      },
    },
  };
}

const NOT_OF_NOTICES: readonly string[] = ['webhook-sequence', 'webhook-test'];

function webhookOf(status: AgentStatus): NonNullable<OpenAPIObject['webhooks']>[string] {
  const name = status === 'available' ? 'Login' : 'Logout';
  const properties = pairsOf(status);
  const common = {
    tags: ['Notifications'],
    description: `Sent to the url of each agent event of type \`${eventTypeOf(status)}\` that existed before. For one agent and one url, notifications come in order; a later one waits while an earlier one is tried again. The query that the url has itself is kept.`,
    security: [],
    responses: ANSWERS,
  };
  return {
    get: {
      ...common,
      operationId: `notify${name}ByGet`,
      summary: `An agent has logged ${status === 'available' ? 'in' : 'out'}: the pairs are at the end of the query`,
      parameters: [
        ...Object.entries(properties).map(([pair, { description, ...schema }]): ParameterObject => ({
          name: pair,
          in: 'query',
          required: REQUIRED.includes(pair),
          ...(description !== undefined && { description }),
          schema,
        })),
        ...HEADERS,
      ],
    },
    post: {
      ...common,
      operationId: `notify${name}ByPost`,
      summary: `An agent has logged ${status === 'available' ? 'in' : 'out'}: the pairs are the body`,
      parameters: [...HEADERS],
      requestBody: {
        required: true,
        content: { 'application/x-www-form-urlencoded': { schema: { type: 'object', required: [...REQUIRED], properties } } },
      },
    },
  };
}

const REQUIRED: readonly string[] = ['agent_status', 'agent_type', 'event_source', 'agent_id'];

/** Lists the pairs in the order in which they are sent. */
function pairsOf(status: AgentStatus): Record<string, SchemaObject> {
  return {
    agent_status: { type: 'string', enum: [status] },
    agent_type: { type: 'string', enum: [...AGENT_TYPES] },
    event_source: { type: 'string', enum: [...EVENT_SOURCES], description: 'What made the agent log in or out' },
    agent_id: { type: 'integer', format: 'int64', minimum: 0, maximum: 4_294_967_295, examples: [136] },
    extension_name: { type: 'string', description: 'Of a `local` agent; absent otherwise', examples: ['000*094@ringme.ru'] },
    agent_number: { type: 'string', description: 'Of a `remote` agent; absent otherwise', examples: ['+74951234567'] },
  };
}
