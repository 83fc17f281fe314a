import 'reflect-metadata';
import { KAFKA_SETTINGS, kafkaBusOf } from '#bus';
import { readServiceSettings, runService } from '#runtime';
import { startTraced, TRACING_SETTINGS } from '#tracing';
import { PRESENCE_SETTINGS } from './src/settings.js';
import { startPresence } from './src/start.js';

await runService(
  'presence',
  () => readServiceSettings([...PRESENCE_SETTINGS, ...KAFKA_SETTINGS, ...TRACING_SETTINGS]),
  (settings, logger, { stopping }) =>
    startTraced(settings, 'presence', logger, () =>
      startPresence({
        settings,
        logger,
        stopping,
        bus: kafkaBusOf(settings, 'presence', logger),
      }),
    ),
);
