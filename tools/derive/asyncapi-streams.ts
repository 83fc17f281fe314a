import type { z } from 'zod';
import { jsonSchemaOf } from '#openapi';
import {
  directoryChangeSchema,
  loggedChangeSchema,
  resetSchema,
} from '../../apps/subscription-api/src/agent-status/agent-status.schema.js';
import { deliveryHintSchema } from '../../apps/subscription-api/src/deliveries/delivery-view.schema.js';
import { STREAM_EXAMPLES } from '../../apps/subscription-api/src/streams/stream-examples.js';

/** Streams' events. */
const EVENTS = {
  agentStatus: { event: 'agent-status', schema: loggedChangeSchema },
  agent: { event: 'agent', schema: directoryChangeSchema },
  reset: { event: 'reset', schema: resetSchema },
  delivery: { event: 'delivery', schema: deliveryHintSchema },
} as const satisfies Record<string, { event: keyof typeof STREAM_EXAMPLES; schema: z.ZodType }>;

const ENDS =
  'Ends with its token, after an hour at most. `: alive` is a comment that keeps the connection open while nothing happens.';
const CLIENT = { description: '`@me`, the client of the token, or its decimal id', examples: ['@me'] };

const channelOf = (path: string, description: string, names: readonly (keyof typeof EVENTS)[]): object => ({
  address: `/api/ver1.0/client/{client_id}/${path}`,
  servers: [{ $ref: '#/servers/http' }],
  parameters: { client_id: CLIENT },
  description: `${description} Server-Sent Events over HTTP; the token of the REST API.`,
  messages: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }])),
  bindings: { http: {} },
});

/** Describes the streams over HTTP (contract §3), as parts of the AsyncAPI document. */
export function streamParts(): {
  readonly channels: object;
  readonly operations: object;
  readonly messages: object;
  readonly schemas: object;
} {
  const schemas: Record<string, unknown> = {};
  const messages = Object.fromEntries(
    Object.entries(EVENTS).map(([name, { event, schema }]) => {
      const { summary, value } = STREAM_EXAMPLES[event];
      const converted = jsonSchemaOf(schema, 'output');
      Object.assign(schemas, converted.components);
      const examples = [{ name: event, payload: value }];
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
