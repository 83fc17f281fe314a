export {
  BusUnavailableError,
  RecordTooLargeError,
  startOnBus,
  type Bus,
  type BusAssignmentOptions,
  type BusBatch,
  type BusConsumerOptions,
  type BusHeader,
  type BusMessage,
  type BusPartitions,
  type BusProducer,
  type BusRecord,
  type BusStrategy,
  type SendOptions,
} from './bus.js';
export { BusMetrics } from './bus-metrics.js';
export { BusExceptionFilter } from './bus-server.js';
export { headerListOf } from './headers.js';
export { InProcessBroker, type InProcessBrokerOptions } from './in-process.bus.js';
export { keyHash, partitionOf } from './key-hash.js';
export { type KafkaBusOptions } from './kafka.client.js';
export { createKafkaBus } from './kafka.bus.js';
export { inspectKafka, type InspectedGroup, type InspectedTopic, type KafkaInspection } from './kafka.inspection.js';
export { type KafkaOperation, type KafkaRights } from './kafka.rights.js';
export { KafkaOperator, type OperatedTopic, type PartitionBounds, type PartitionOffset } from './kafka.operator.js';
export { explainKafkaError } from './kafka-error.js';
export { KAFKA_SETTINGS, kafkaBusOf, kafkaOptionsOf, type KafkaSettings } from './kafka.settings.js';
