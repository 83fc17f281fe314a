export {
  afterFanOut,
  beginAttempt,
  beginDecide,
  beginNoticeAttempt,
  beginPublish,
  noteDecided,
  noteFanOut,
  traceIdOf,
  traceIdsOf,
  type Hop,
  type HopEnd,
  type TracedChange,
} from './hops.js';
export { startTraced } from './tracing.js';
export { TRACING_SETTINGS, type TracingSettings } from './tracing-options.js';
