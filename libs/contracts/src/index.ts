export {
  AGENT_STATUSES,
  AGENT_TYPES,
  EVENT_SOURCES,
  EVENT_TYPES,
  NOTIFICATION_METHODS,
  eventTypeOf,
  nameFieldOf,
  previousStatusOf,
  type AgentKey,
  type AgentStatus,
  type AgentType,
  type EventSource,
  type EventType,
  type NotificationMethod,
} from './agent.js';
export { ID_LIMIT, isId, parseId } from './id.js';
export { latencyBucketOf, LATENCY_BOUNDS_MS, LATENCY_BUCKETS } from './latency.js';
export { NOTICE_TYPES, noticeViewOf, type Notice, type NoticeType } from './notice.js';
export { parseTime, TIME_MESSAGE } from './rfc3339.js';
export {
  decodeStatusChange,
  encodeStatusChange,
  statusChangedJsonSchema,
  statusChangedSchema,
  statusChangeViewOf,
  STATUS_CHANGED_SOURCE,
  STATUS_CHANGED_TYPE,
  type EncodedStatusChange,
  type LoggedChange,
  type StatusChange,
  type StatusChangeView,
} from './status-changed.js';
export {
  MAX_CLOCK_LEAD_MS,
  MAX_NAME_LENGTH,
  MAX_TELEMETRY_ITEMS,
  NAME_PATTERN,
  nameSchema,
  parseTelemetry,
  telemetryJsonSchema,
  timeSchema,
  type FieldErrors,
  type TelemetryItem,
  type TelemetryParse,
} from './telemetry.js';
export {
  DISPATCHER_GROUP,
  ERROR_HEADER,
  MAX_RECORD_BYTES,
  partitionKey,
  PRESENCE_GROUP,
  STATUS_CHANGED_TOPIC,
  TELEMETRY_DEAD_LETTER_TOPIC,
  TELEMETRY_TOPIC,
  TOPICS,
} from './topics.js';
export { formatTraceparent, ownTraceOf, parseTraceparent, traceparentOf, type TraceParent } from './trace-context.js';
export { isUndone, pastUndone, type UndoneSpan } from './undone-positions.js';
