import 'reflect-metadata';
import { createKafkaBus } from '#bus';
import { readServiceSettings, runService } from '#runtime';
import { startPresence } from './src/start.js';

await runService('presence', readServiceSettings, (settings, logger) =>
  startPresence({
    settings,
    logger,
    bus: createKafkaBus({
      brokers: settings.KAFKA_BROKERS,
      clientId: 'rollcall-presence',
      partitions: settings.KAFKA_TOPIC_PARTITIONS,
      logger,
    }),
  }),
);
