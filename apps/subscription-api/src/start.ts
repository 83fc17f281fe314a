import { Registry } from 'prom-client';
import { externalIssuerOf, type IssuerTimes } from '#auth';
import {
  AgentEventEntity,
  ApplicationEntity,
  assertKeyFits,
  connectDatabase,
  createPool,
  createSealer,
  DatabaseClock,
  ListReads,
  measurePool,
  poolOf,
  WebhookSecretEntity,
  WriteCheck,
} from '#database';
import { allowOrigins, ServiceHttp, type OperationsServer } from '#http';
import { Readiness, startWithCleanup, type Cleanup, type Logger, type RunningService } from '#runtime';
import { serveApiDocs, type DocsPlace } from './api-docs/docs.js';
import { serveConsole, type ConsoleParts } from './console/console.module.js';
import type { ServiceTimes } from './core.module.js';
import { ApiMetrics } from './metrics.js';
import type { SubscriptionApiSettings } from './settings.js';
import { SubscriptionApiModule } from './subscription-api.module.js';

/** Longest that a read waits for a connection to the replica, in milliseconds; the primary answers then. */
const REPLICA_CONNECT_MS = 1000;

export interface SubscriptionApiOptions extends Omit<ConsoleParts, 'isEnabled'> {
  readonly settings: SubscriptionApiSettings;
  readonly logger: Logger;
  /** For tests that cannot wait. */
  readonly times?: Partial<ServiceTimes>;
  /** For tests that wait for an external issuer's keys to change. */
  readonly issuerTimes?: IssuerTimes;
  /** What the API browser knows of the place that it runs in. */
  readonly docs?: Omit<DocsPlace, 'url'>;
  /** Where the built console is; for tests. */
  readonly consoleDirectory?: string;
  /** Where the process answers for all its services; else OPERATIONS_PORT says where, or it is the service's own port. */
  readonly operations?: OperationsServer | undefined;
  /** Aborted when the start is to be given up. */
  readonly stopping?: AbortSignal;
}

/**
 * Starts the REST API. It needs PostgreSQL only: what it changes reaches the other services through the database.
 *
 * @throws StartError when the database cannot be used or the port is taken; nothing is then left running
 */
export function startSubscriptionApi(options: SubscriptionApiOptions): Promise<RunningService> {
  return startWithCleanup((undo) => startSteps(options, undo));
}

/** The order is the stop's, read backwards: no more requests, then what they are answered with. */
async function startSteps(options: SubscriptionApiOptions, undo: Cleanup[]): Promise<Omit<RunningService, 'stop'>> {
  const { settings, logger, times, issuerTimes, demo, playground, stopping } = options;
  const readiness = new Readiness();
  const registry = new Registry();
  const http = await ServiceHttp.open({
    service: 'subscription-api',
    host: settings.HOST,
    port: settings.SUBSCRIPTION_API_PORT,
    setting: 'SUBSCRIPTION_API_PORT',
    operations: options.operations ?? settings.OPERATIONS_PORT,
    logger,
    readiness,
    metrics: registry,
  });
  undo.push(() => http.close());
  const sealer = createSealer(settings.ENCRYPTION_KEY, settings.ENCRYPTION_KEY_PREVIOUS);
  if (sealer.isDevelopmentKey) logger.warn('secrets.development_key');
  const dataSource = await connectDatabase(
    { url: settings.DATABASE_URL, applicationName: 'rollcall-subscription-api', poolSize: settings.DATABASE_POOL },
    [AgentEventEntity, ApplicationEntity, WebhookSecretEntity],
    logger,
    { stopping, tell: (reason) => readiness.awaiting('postgresql', reason) },
  );
  undo.push(() => dataSource.destroy());
  measurePool(poolOf(dataSource), registry);
  const writeCheck = new WriteCheck(poolOf(dataSource), 'subscription-api');
  readiness.register('postgresql', () => writeCheck.run());
  const external = externalIssuerOf(settings, logger, issuerTimes);
  if (external) readiness.register('oidc', () => external.keys.check());
  await assertKeyFits((sql, parameters) => dataSource.query(sql, parameters), sealer);
  const clock = await DatabaseClock.start(poolOf(dataSource), logger, registry);
  undo.push(() => clock.stop());
  const replica =
    settings.DATABASE_READ_URL === undefined
      ? undefined
      : createPool({
          ...{ url: settings.DATABASE_READ_URL, applicationName: 'rollcall-subscription-api', poolSize: settings.DATABASE_POOL },
          connectTimeoutMs: REPLICA_CONNECT_MS,
        });
  undo.push(async () => replica?.end());
  const module = SubscriptionApiModule.forRoot({
    settings,
    logger,
    sealer,
    dataSource,
    reads: new ListReads(poolOf(dataSource), replica, logger, registry),
    external,
    metrics: new ApiMetrics(registry),
    times,
    console: { isEnabled: settings.CONSOLE, demo, playground },
  });
  await http.serve(module, {
    trustProxy: settings.TRUST_PROXY,
    configure: (app) => {
      allowOrigins(app.getHttpAdapter().getInstance(), settings.CORS_ORIGINS);
      serveApiDocs(app, { ...options.docs, url: settings.PUBLIC_URL });
      const isIssuers = external !== undefined && settings.OIDC_CONSOLE_CLIENT_ID !== undefined;
      serveConsole(app, {
        ...(isIssuers && { tokenEndpoint: async () => (await external.keys.signInEndpoints())?.token }),
        enabled: settings.CONSOLE,
        ...(options.consoleDirectory !== undefined && { directory: options.consoleDirectory }),
      });
    },
  });
  undo.push(() => http.stopServing());
  return { url: http.url, drain: () => readiness.stop() };
}
