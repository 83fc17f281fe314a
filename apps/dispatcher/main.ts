import 'reflect-metadata';
import { KAFKA_SETTINGS, kafkaBusOf } from '#bus';
import { readServiceSettings, runService } from '#runtime';
import { startTraced, TRACING_SETTINGS } from '#tracing';
import { DISPATCHER_SETTINGS } from './src/settings.js';
import { startDispatcher } from './src/start.js';

await runService(
  'dispatcher',
  () => readServiceSettings([...DISPATCHER_SETTINGS, ...KAFKA_SETTINGS, ...TRACING_SETTINGS]),
  (settings, logger, { stopping, fail }) =>
    startTraced(settings, 'dispatcher', logger, () =>
      startDispatcher({
        settings,
        logger,
        stopping,
        fail,
        bus: kafkaBusOf(settings, 'dispatcher', logger),
      }),
    ),
);
