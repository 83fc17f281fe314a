import type { PathParameter } from '#openapi';
import { DELIVERY_ID_PATTERN } from '#webhook';

const id = (description: string, example: number): PathParameter => ({
  description,
  example,
  schema: { type: 'integer', format: 'int64', minimum: 0, maximum: 4_294_967_295 },
});

/** What stands in paths. Handlers get them read and checked, so that Nest does not see them as parameters. */
export const PATH_PARAMETERS: Readonly<Record<string, PathParameter>> = {
  client_id: {
    description: '`@me`, the client of the token, or its decimal id',
    example: '@me',
    schema: { type: 'string', pattern: '^(@me|[0-9]{1,10})$' },
  },
  type: {
    description: '`local`: by extension; `remote`: by phone number',
    example: 'local',
    schema: { type: 'string', enum: ['local', 'remote'] },
  },
  agent_id: id('The agent', 136),
  event_id: id('The agent event', 7),
  replay_id: id('The replay', 3),
  notice_event_id: id('The notice event', 3),
  app_id: {
    description: 'The application',
    example: 'crm',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]+$' },
  },
  delivery_id: {
    description: 'The delivery: the `webhook-id` header of its notifications',
    example: '019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69_7',
    schema: { type: 'string', pattern: DELIVERY_ID_PATTERN },
  },
};

/** Tells whether a path is a collection, which is documented with a trailing slash: contract §1. */
export function isCollection(path: string): boolean {
  return /\/(event|agent_events|agent_event_health|limit|agent|client|agent_status|delivery|origin|notice|notice_event|audit|webhook_secret|application|agent\/\{type\})$/.test(
    path,
  );
}
