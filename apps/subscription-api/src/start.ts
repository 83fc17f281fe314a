import { Registry } from 'prom-client';
import { AgentEventEntity, ApplicationEntity, connectDatabase, createSealer, WebhookSecretEntity } from '#database';
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
}): Promise<RunningService> {
  const { settings, logger, rateLimitSyncMs } = options;
  const sealer = createSealer(settings.ENCRYPTION_KEY);
  if (sealer.isDevelopmentKey) logger.warn('secrets.development_key');
  const dataSource = await connectDatabase(
    { url: settings.DATABASE_URL, applicationName: 'rollcall-subscription-api', poolSize: settings.DATABASE_POOL },
    [AgentEventEntity, ApplicationEntity, WebhookSecretEntity],
    logger,
  );
  const readiness = new Readiness();
  readiness.register('postgresql', async () => void (await dataSource.query('select 1')));
  try {
    const module = SubscriptionApiModule.forRoot({
      settings,
      logger,
      sealer,
      dataSource,
      ...(rateLimitSyncMs !== undefined && { rateLimitSyncMs }),
    });
    const app = await createHttpApp(module, { logger, readiness, metrics: new Registry(), configure: serveDocs });
    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      readiness.stop();
      await app.close();
      await dataSource.destroy();
    };
    try {
      return { url: await listen(app, settings.HOST, settings.SUBSCRIPTION_API_PORT), stop: () => (stopping ??= stop()) };
    } catch (error) {
      await app.close();
      throw error;
    }
  } catch (error) {
    if (dataSource.isInitialized) await dataSource.destroy();
    throw error;
  }
}
