import { Registry } from 'prom-client';
import { externalIssuerOf, type IssuerTimes } from '#auth';
import {
  AgentEventEntity,
  ApplicationEntity,
  assertKeyFits,
  connectDatabase,
  createSealer,
  WebhookSecretEntity,
} from '#database';
import { createHttpApp, listen } from '#http';
import { Readiness, type Logger, type RunningService } from '#runtime';
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
  /** For tests that wait for an external issuer's keys to change. */
  issuerTimes?: IssuerTimes;
  /** Aborted when the start is to be given up. */
  stopping?: AbortSignal;
}): Promise<RunningService> {
  const { settings, logger, rateLimitSyncMs, signingKeyRefreshMs, issuerTimes, stopping } = options;
  const sealer = createSealer(settings.ENCRYPTION_KEY);
  if (sealer.isDevelopmentKey) logger.warn('secrets.development_key');
  const dataSource = await connectDatabase(
    { url: settings.DATABASE_URL, applicationName: 'rollcall-subscription-api', poolSize: settings.DATABASE_POOL },
    [AgentEventEntity, ApplicationEntity, WebhookSecretEntity],
    logger,
    { stopping },
  );
  const readiness = new Readiness();
  readiness.register('postgresql', async () => void (await dataSource.query('select 1')));
  const external = externalIssuerOf(settings, logger, issuerTimes);
  if (external) readiness.register('oidc', () => external.keys.check());
  try {
    await assertKeyFits((sql, parameters) => dataSource.query(sql, parameters), sealer);
    const module = SubscriptionApiModule.forRoot({
      settings,
      logger,
      sealer,
      dataSource,
      external,
      ...(rateLimitSyncMs !== undefined && { rateLimitSyncMs }),
      ...(signingKeyRefreshMs !== undefined && { signingKeyRefreshMs }),
    });
    const app = await createHttpApp(module, { logger, readiness, metrics: new Registry(), configure: serveDocs });
    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      readiness.stop();
      await app.close();
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
    if (dataSource.isInitialized) await dataSource.destroy();
    throw error;
  }
}
