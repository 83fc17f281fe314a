import 'reflect-metadata';
import { readSettings, runService } from '#runtime';
import { startTraced } from '#tracing';
import { startAllInOne } from './src/start.js';

await runService(
  'all-in-one',
  () => {
    const settings = readSettings();
    // The terminal belongs to the banner and the demo receiver; what goes wrong is still said.
    return { ...settings, LOG_LEVEL: settings.LOG_LEVEL ?? ('warn' as const) };
  },
  (settings, logger, lifetime) =>
    startTraced(settings, 'all-in-one', logger, () =>
      startAllInOne(settings, (line) => process.stdout.write(`${line}\n`), lifetime),
    ),
);
