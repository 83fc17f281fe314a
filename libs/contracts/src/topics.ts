import type { AgentKey } from './agent.js';

/** Telemetry from internal services: contract §4. */
export const TELEMETRY_TOPIC = 'agent.telemetry.v1';
/** Telemetry that cannot be parsed or is rejected, unchanged, with the reason in {@link ERROR_HEADER}: contract §4. */
export const TELEMETRY_DEAD_LETTER_TOPIC = 'agent.telemetry.v1.dlq';
/** Real status changes as CloudEvents: contract §5. */
export const STATUS_CHANGED_TOPIC = 'agent.status-changed.v1';

/** All topics of Rollcall; missing ones are created when a service starts. */
export const TOPICS = [TELEMETRY_TOPIC, TELEMETRY_DEAD_LETTER_TOPIC, STATUS_CHANGED_TOPIC] as const;

export const PRESENCE_GROUP = 'rollcall.presence';
export const DISPATCHER_GROUP = 'rollcall.dispatcher';

/** The header in which a dead letter carries its reason. */
export const ERROR_HEADER = 'rollcall-error';

/** Makes the key of a record on the telemetry and status topics, by which an agent's records share a partition: contract §4, §5. */
export function partitionKey({ clientId, agentId }: AgentKey): string {
  return `${clientId}:${agentId}`;
}

/** Largest value that is parsed, in bytes: ours have some hundred, and a compressed batch may expand to 64 MiB. */
export const MAX_RECORD_BYTES = 1024 * 1024;
