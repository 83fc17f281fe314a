import 'reflect-metadata';
import { createKafkaBus } from '#bus';
import { readServiceSettings, runService } from '#runtime';
import { DISPATCHER_SETTINGS } from './src/settings.js';
import { startDispatcher } from './src/start.js';

await runService(
  'dispatcher',
  () => readServiceSettings([...DISPATCHER_SETTINGS, 'KAFKA_TOPIC_PARTITIONS']),
  (settings, logger, { stopping, fail }) =>
    startDispatcher({
      settings,
      logger,
      stopping,
      fail,
      bus: createKafkaBus({
        brokers: settings.KAFKA_BROKERS,
        clientId: 'rollcall-dispatcher',
        partitions: settings.KAFKA_TOPIC_PARTITIONS,
        logger,
      }),
    }),
);
