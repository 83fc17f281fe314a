export {
  BusUnavailableError,
  RecordTooLargeError,
  type Bus,
  type BusBatch,
  type BusConsumerOptions,
  type BusHeader,
  type BusMessage,
  type BusProducer,
  type BusRecord,
  type BusStrategy,
} from './bus.js';
export { BusMetrics } from './bus-metrics.js';
export { BusExceptionFilter } from './bus-server.js';
export { headerListOf } from './headers.js';
export { InProcessBroker, type InProcessBrokerOptions } from './in-process.bus.js';
export { type KafkaBusOptions } from './kafka.client.js';
export { createKafkaBus } from './kafka.bus.js';
export { KAFKA_SETTINGS, kafkaBusOf, type KafkaSettings } from './kafka.settings.js';
