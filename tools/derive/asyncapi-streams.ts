import { z } from 'zod';
import { jsonSchemaOf } from '#openapi';
import {
  directoryChangeSchema,
  loggedChangeSchema,
  resetSchema,
} from '../../apps/subscription-api/src/agent-status/agent-status.schema.js';
import { deliveryHintSchema } from '../../apps/subscription-api/src/deliveries/delivery-view.schema.js';

const AGENT = { id: 136, agent_type: 'local', extension_name: '000*094@ringme.ru' } as const;

/** Streams' events, each with its data as it is sent. */
const EVENTS = {
  agentStatus: {
    event: 'agent-status',
    schema: loggedChangeSchema,
    summary: 'An agent has logged in or out.',
    example: {
      id: '019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69',
      cursor: 1042,
      client_id: '12',
      agent_id: AGENT.id,
      agent_type: AGENT.agent_type,
      extension_name: AGENT.extension_name,
      agent_status: 'available',
      previous_status: 'logged_out',
      event_source: 'api',
      sequence: 42,
      occurred_at: '2026-11-22T10:00:00.123Z',
      changed_at: '2026-11-22T10:00:00.140Z',
    },
  },
  agent: {
    event: 'agent',
    schema: directoryChangeSchema,
    summary: 'An agent was created, renamed or removed.',
    example: { change: 'created', ...AGENT, agent_status: 'logged_out', status_since: '2026-11-22T10:00:00.140Z', sequence: 0 },
  },
  reset: {
    event: 'reset',
    schema: resetSchema,
    summary: 'The Last-Event-ID cannot be continued; read the snapshot again.',
    example: { reason: 'expired_cursor' },
  },
  delivery: {
    event: 'delivery',
    schema: deliveryHintSchema,
    summary: 'Something has become of a delivery.',
    example: { delivery_id: '019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69_7', status: 'delivered', attempt: 1 },
  },
} as const satisfies Record<string, { event: string; schema: z.ZodType; summary: string; example: object }>;

const ENDS =
  'Ends with its token, after an hour at most. `: alive` is a comment that keeps the connection open while nothing happens.';
const CLIENT = { description: '`@me`, the client of the token, or its decimal id', examples: ['@me'] };

const channelOf = (path: string, description: string, names: readonly (keyof typeof EVENTS)[]): object => ({
  address: `/api/ver1.0/client/{client_id}/${path}`,
  parameters: { client_id: CLIENT },
  description: `${description} Server-Sent Events over HTTP; the token of the REST API.`,
  messages: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }])),
  bindings: { http: {} },
});

/** The streams over HTTP (contract §3), as parts of the AsyncAPI document. */
export function streamParts(): {
  readonly channels: object;
  readonly operations: object;
  readonly messages: object;
  readonly schemas: object;
} {
  const schemas: Record<string, unknown> = {};
  const messages = Object.fromEntries(
    Object.entries(EVENTS).map(([name, { event, schema, summary, example }]) => {
      const converted = jsonSchemaOf(schema, 'output');
      Object.assign(schemas, converted.components);
      const examples = [{ name: event, payload: example }];
      return [name, { name: event, summary, contentType: 'application/json', payload: converted.schema, examples }];
    }),
  );
  const operation = (channel: string, summary: string, description: string): object => ({
    action: 'send',
    channel: { $ref: `#/channels/${channel}` },
    summary,
    description,
  });
  return {
    channels: {
      agentStatusStream: channelOf('agent_status/stream', 'Resumes after Last-Event-ID.', ['agentStatus', 'agent', 'reset']),
      deliveryStream: channelOf('delivery/stream', 'A hint, not a log: nothing is resumed.', ['delivery']),
    },
    operations: {
      streamAgentStatus: operation('agentStatusStream', 'subscription-api sends what agents do, as it happens.', ENDS),
      streamDeliveries: operation('deliveryStream', 'subscription-api sends what becomes of deliveries, as it does.', ENDS),
    },
    messages,
    schemas,
  };
}
