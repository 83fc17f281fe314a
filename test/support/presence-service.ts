import { pino } from 'pino';
import { InProcessBroker } from '#bus';
import { readSettings, type RunningService, type Settings } from '#runtime';
import { startPresence } from '../../apps/presence/src/start.js';

type Options = Omit<Parameters<typeof startPresence>[0], 'settings' | 'logger' | 'bus'>;

/** Starts presence on a database that the caller has, over real HTTP; nobody consumes what it publishes. */
export async function startTestPresence(
  databaseUrl: string,
  settings: Partial<Settings> = {},
  options: Options = {},
): Promise<RunningService> {
  const broker = new InProcessBroker({ consumed: [] });
  const service = await startPresence({
    ...options,
    settings: {
      ...readSettings({}),
      DATABASE_POOL: 4,
      ...settings,
      DATABASE_URL: databaseUrl,
      HOST: '127.0.0.1',
      PRESENCE_PORT: 0,
    },
    bus: broker.bus(),
    logger: pino({ level: 'silent' }),
  });
  return { ...service, stop: () => service.stop().finally(() => broker.close()) };
}
