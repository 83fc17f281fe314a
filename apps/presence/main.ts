import 'reflect-metadata';
import { createKafkaBus } from '#bus';
import { readServiceSettings, runService } from '#runtime';
import { PRESENCE_SETTINGS } from './src/settings.js';
import { startPresence } from './src/start.js';

await runService(
  'presence',
  () => readServiceSettings([...PRESENCE_SETTINGS, 'KAFKA_TOPIC_PARTITIONS']),
  (settings, logger, { stopping }) =>
    startPresence({
      settings,
      logger,
      stopping,
      bus: createKafkaBus({
        brokers: settings.KAFKA_BROKERS,
        clientId: 'rollcall-presence',
        partitions: settings.KAFKA_TOPIC_PARTITIONS,
        logger,
      }),
    }),
);
