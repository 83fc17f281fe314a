import {
  DISPATCHER_GROUP,
  ERROR_HEADER,
  PRESENCE_GROUP,
  STATUS_CHANGED_TOPIC,
  statusChangedJsonSchema,
  TELEMETRY_DEAD_LETTER_TOPIC,
  TELEMETRY_TOPIC,
  telemetryJsonSchema,
} from '#contracts';
import { VERSION } from '#runtime';
import { streamParts } from './asyncapi-streams.js';

const KEY = { type: 'string', description: 'client_id:agent_id', examples: ['12:136'] };

const ON_KAFKA = [{ $ref: '#/servers/kafka' }];

/**
 * Describes what is sent without being asked for (contract §3 to §5: Kafka, and streams over HTTP) as an AsyncAPI 3 document, made from the
 * schemas that the services use.
 */
export function asyncApiDocument(): object {
  const streams = streamParts();
  return {
    asyncapi: '3.1.0',
    info: {
      title: 'Rollcall',
      version: VERSION,
      description:
        'Telemetry of queue agents in, real status changes out. Records of one agent share a partition and keep their order.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      contact: { name: 'Rollcall' },
      tags: [
        { name: 'Kafka', description: 'What the services, and others, read and write on Kafka.' },
        { name: 'HTTP', description: 'What subscription-api streams.' },
      ],
    },
    servers: {
      kafka: {
        host: '{brokers}',
        protocol: 'kafka',
        description: 'The brokers that the services are given.',
        variables: { brokers: { default: '127.0.0.1:9092', description: 'KAFKA_BROKERS' } },
      },
      http: {
        host: '{api}',
        protocol: 'http',
        description: 'subscription-api.',
        variables: { api: { default: '127.0.0.1:3000', description: 'SUBSCRIPTION_API_PORT, or what stands in front of it' } },
      },
    },
    defaultContentType: 'application/json',
    channels: {
      telemetry: {
        address: TELEMETRY_TOPIC,
        servers: ON_KAFKA,
        messages: { telemetry: { $ref: '#/components/messages/telemetry' } },
      },
      telemetryDeadLetters: {
        address: TELEMETRY_DEAD_LETTER_TOPIC,
        servers: ON_KAFKA,
        messages: { deadLetter: { $ref: '#/components/messages/deadLetter' } },
      },
      statusChanged: {
        address: STATUS_CHANGED_TOPIC,
        servers: ON_KAFKA,
        messages: { statusChanged: { $ref: '#/components/messages/statusChanged' } },
      },
      ...streams.channels,
    },
    operations: {
      receiveTelemetry: {
        action: 'receive',
        channel: { $ref: '#/channels/telemetry' },
        summary: `Presence reads what agents do (consumer group ${PRESENCE_GROUP}).`,
        description:
          'Its offset is committed when the change, if it is one, is durable, or when the record is among the dead letters.',
      },
      sendDeadLetter: {
        action: 'send',
        channel: { $ref: '#/channels/telemetryDeadLetters' },
        summary: 'Presence puts aside what cannot be parsed or is rejected, key and value as they came.',
        description: 'The partition that it came from goes on.',
      },
      sendStatusChanged: {
        action: 'send',
        channel: { $ref: '#/channels/statusChanged' },
        summary: `Presence publishes real changes; the dispatcher reads them (consumer group ${DISPATCHER_GROUP}), and so may other services.`,
        description: 'In sequence and without gaps for each agent. After a crash a change may stand twice, with the same ce_id.',
      },
      ...streams.operations,
    },
    components: {
      messages: {
        telemetry: {
          name: 'telemetry',
          bindings: { kafka: { key: KEY } },
          headers: {
            type: 'object',
            properties: {
              traceparent: { type: 'string', description: 'W3C trace context that the change’s trace goes on from.' },
            },
          },
          payload: telemetryJsonSchema(),
        },
        deadLetter: {
          name: 'deadLetter',
          headers: {
            type: 'object',
            properties: { [ERROR_HEADER]: { type: 'string', description: 'Why it was put aside.' } },
            required: [ERROR_HEADER],
          },
          payload: { description: 'The record as it came; it may be no JSON at all.' },
        },
        statusChanged: {
          name: 'statusChanged',
          bindings: { kafka: { key: KEY } },
          headers: {
            type: 'object',
            description: 'CloudEvents 1.0, binary mode.',
            properties: {
              ce_specversion: { const: '1.0' },
              ce_id: { type: 'string', format: 'uuid', description: 'UUIDv7; the same when the change stands twice.' },
              ce_source: { type: 'string' },
              ce_type: { type: 'string' },
              ce_subject: KEY,
              ce_time: { type: 'string', format: 'date-time' },
              traceparent: { type: 'string', description: 'W3C trace context: the reporter’s trace, or the change’s own.' },
            },
            required: ['ce_specversion', 'ce_id', 'ce_source', 'ce_type', 'ce_time', 'traceparent'],
          },
          payload: statusChangedJsonSchema(),
        },
        ...streams.messages,
      },
      schemas: streams.schemas,
    },
  };
}
