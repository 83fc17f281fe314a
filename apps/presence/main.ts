import 'reflect-metadata';
import { KAFKA_SETTINGS, kafkaBusOf } from '#bus';
import { readServiceSettings, runService } from '#runtime';
import { PRESENCE_SETTINGS } from './src/settings.js';
import { startPresence } from './src/start.js';

await runService(
  'presence',
  () => readServiceSettings([...PRESENCE_SETTINGS, ...KAFKA_SETTINGS]),
  (settings, logger, { stopping }) =>
    startPresence({
      settings,
      logger,
      stopping,
      bus: kafkaBusOf(settings, 'presence', logger),
    }),
);
