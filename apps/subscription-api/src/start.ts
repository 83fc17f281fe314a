import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Registry } from 'prom-client';
import { externalIssuerOf, type IssuerTimes } from '#auth';
import {
  AgentEventEntity,
  ApplicationEntity,
  assertKeyFits,
  connectDatabase,
  createSealer,
  DatabaseClock,
  poolOf,
  WebhookSecretEntity,
  WriteCheck,
} from '#database';
import { createHttpApp, listen } from '#http';
import { Readiness, type Logger, type RunningService } from '#runtime';
import type { StreamTimes } from './agent-status/open-streams.js';
import type { Demo } from './console/console-config.schema.js';
import type { Playground } from './console/playground.js';
import { serveConsole } from './console/serve-console.js';
import { serveDocs } from './docs/docs.js';
import type { SubscriptionApiSettings } from './settings.js';
import { SubscriptionApiModule } from './subscription-api.module.js';

/**
 * Starts the REST API. It needs PostgreSQL only: what it changes reaches the other services through the database.
 *
 * @throws StartError when the database cannot be used or the port is taken
 */
export async function startSubscriptionApi(options: {
  settings: SubscriptionApiSettings;
  logger: Logger;
  /** Milliseconds between two exchanges of request counts with the other instances; about half a second by default. */
  rateLimitSyncMs?: number;
  /** Milliseconds between two looks at the signing keys; 5 seconds by default. */
  signingKeyRefreshMs?: number;
  /** For tests of streams that are silent or not read. */
  streamTimes?: StreamTimes;
  /** For tests that wait for an external issuer's keys to change. */
  issuerTimes?: IssuerTimes;
  /** What the console offers of a demo; nothing by default. */
  demo?: Demo;
  /** Where agents can be played; nowhere by default. */
  playground?: Playground;
  /** Where the built console is; for tests. */
  consoleDirectory?: string;
  /** Aborted when the start is to be given up. */
  stopping?: AbortSignal;
}): Promise<RunningService> {
  const {
    settings,
    logger,
    rateLimitSyncMs,
    signingKeyRefreshMs,
    streamTimes,
    issuerTimes,
    demo,
    playground,
    consoleDirectory: directory,
    stopping,
  } = options;
  const sealer = createSealer(settings.ENCRYPTION_KEY);
  if (sealer.isDevelopmentKey) logger.warn('secrets.development_key');
  const dataSource = await connectDatabase(
    { url: settings.DATABASE_URL, applicationName: 'rollcall-subscription-api', poolSize: settings.DATABASE_POOL },
    [AgentEventEntity, ApplicationEntity, WebhookSecretEntity],
    logger,
    { stopping },
  );
  const readiness = new Readiness();
  const writeCheck = new WriteCheck(poolOf(dataSource), 'subscription-api');
  readiness.register('postgresql', () => writeCheck.run());
  const external = externalIssuerOf(settings, logger, issuerTimes);
  if (external) readiness.register('oidc', () => external.keys.check());
  const registry = new Registry();
  let clock: DatabaseClock | undefined;
  try {
    await assertKeyFits((sql, parameters) => dataSource.query(sql, parameters), sealer);
    clock = await DatabaseClock.start(poolOf(dataSource), logger, registry);
    const module = SubscriptionApiModule.forRoot({
      settings,
      logger,
      sealer,
      dataSource,
      external,
      ...(rateLimitSyncMs !== undefined && { rateLimitSyncMs }),
      ...(signingKeyRefreshMs !== undefined && { signingKeyRefreshMs }),
      ...(streamTimes && { streamTimes }),
      ...(demo && { demo }),
      ...(playground && { playground }),
    });
    const configure = async (app: NestFastifyApplication): Promise<void> => {
      serveDocs(app);
      const isIssuers = external !== undefined && settings.OIDC_CONSOLE_CLIENT_ID !== undefined;
      await serveConsole(app, {
        ...(isIssuers && { tokenEndpoint: async () => (await external.keys.signInEndpoints())?.token }),
        enabled: settings.CONSOLE,
        ...(directory !== undefined && { directory }),
      });
    };
    const app = await createHttpApp(module, { logger, readiness, metrics: registry, configure });
    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      readiness.stop();
      await app.close();
      await clock?.stop();
      await dataSource.destroy();
    };
    try {
      return {
        url: await listen(app, settings.HOST, settings.SUBSCRIPTION_API_PORT, 'SUBSCRIPTION_API_PORT'),
        stop: () => (stopping ??= stop()),
      };
    } catch (error) {
      await app.close();
      throw error;
    }
  } catch (error) {
    await clock?.stop();
    if (dataSource.isInitialized) await dataSource.destroy();
    throw error;
  }
}
