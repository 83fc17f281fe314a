import 'reflect-metadata';
import { readSettings, runService } from '#runtime';
import { startAllInOne } from './src/start.js';

await runService(
  'all-in-one',
  // The terminal belongs to the banner and the demo receiver; what goes wrong is still said.
  () => ({ LOG_LEVEL: 'warn' as const, ...definedOf(readSettings()) }),
  (settings) => startAllInOne(settings, (line) => process.stdout.write(`${line}\n`)),
);

function definedOf<T extends object>(settings: T): T {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as T;
}
