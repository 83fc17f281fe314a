import 'reflect-metadata';
import { createKafkaBus } from '#bus';
import { readServiceSettings, runService } from '#runtime';
import { startDispatcher } from './src/start.js';

await runService('dispatcher', readServiceSettings, (settings, logger) =>
  startDispatcher({
    settings,
    logger,
    bus: createKafkaBus({
      brokers: settings.KAFKA_BROKERS,
      clientId: 'rollcall-dispatcher',
      partitions: settings.KAFKA_TOPIC_PARTITIONS,
      logger,
    }),
  }),
);
