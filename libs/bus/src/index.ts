export {
  BusUnavailableError,
  type Bus,
  type BusBatch,
  type BusConsumerOptions,
  type BusMessage,
  type BusProducer,
  type BusRecord,
  type BusStrategy,
} from './bus.js';
export { BusExceptionFilter } from './bus-server.js';
export { InProcessBroker, type InProcessBrokerOptions } from './in-process.bus.js';
export { type KafkaBusOptions } from './kafka.client.js';
export { createKafkaBus } from './kafka.bus.js';
