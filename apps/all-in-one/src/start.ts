import { InProcessBroker, kafkaBusOf, type Bus } from '#bus';
import { STATUS_CHANGED_TOPIC, TELEMETRY_TOPIC } from '#contracts';
import { EmbeddedPostgres, migrate } from '#database';
import { OperationsServer } from '#http';
import {
  createLogger,
  isLoopback,
  startWithCleanup,
  unlessAborted,
  type Cleanup,
  type Lifetime,
  type Logger,
  type RunningService,
  type ServiceSettings,
  type Settings,
} from '#runtime';
import { startDispatcher } from '../../dispatcher/src/start.js';
import { startPresence } from '../../presence/src/start.js';
import { startSubscriptionApi } from '../../subscription-api/src/start.js';
import { encryptionKeyOf, lockDataDirectory } from './data-directory.js';
import { banner, DEMO_AGENT, DEMO_APPLICATIONS } from './demo.js';
import { startDemoReceiver } from './demo-receiver.js';
import { addDemoAgent } from './demo.repository.js';
import { startDemoSession } from './demo-session.js';
import { assertPortsFree } from './ports.js';

const SERVICES = ['dispatcher', 'presence', 'subscription-api'] as const;

interface ServiceParts {
  readonly settings: ServiceSettings;
  readonly bus: Bus;
  readonly operations: OperationsServer | undefined;
  readonly logger: Logger;
}

const LOOPBACK_DESTINATIONS = ['127.0.0.0/8', '::1'];

/**
 * Starts everything in one process: embedded PostgreSQL (unless DATABASE_URL), migrations, the in-process bus (unless
 * KAFKA_BROKERS), the three services as containers of their own, and on loopback the demo. Stops it in reverse.
 *
 * @param show takes the lines for the person at the terminal
 * @throws StartError when the data directory or a port is taken
 */
export function startAllInOne(settings: Settings, show: (text: string) => void, lifetime: Lifetime): Promise<RunningService> {
  return startWithCleanup((undo) => startSteps(settings, show, lifetime, undo));
}

async function startSteps(
  settings: Settings,
  show: (text: string) => void,
  lifetime: Lifetime,
  undo: Cleanup[],
): Promise<Omit<RunningService, 'stop'>> {
  const host = settings.HOST ?? '127.0.0.1';
  const local = isLoopback(host);
  const level = settings.LOG_LEVEL ?? 'warn';

  const lock = await lockDataDirectory(settings.DATA_DIR);
  undo.push(() => lock.release());
  await assertPortsFree(host, {
    SUBSCRIPTION_API_PORT: settings.SUBSCRIPTION_API_PORT,
    PRESENCE_PORT: settings.PRESENCE_PORT,
    DISPATCHER_PORT: settings.DISPATCHER_PORT,
    ...(local && { RECEIVER_PORT: settings.RECEIVER_PORT }),
    ...(settings.OPERATIONS_PORT !== undefined && { OPERATIONS_PORT: settings.OPERATIONS_PORT }),
  });
  undo.push(() => Promise.resolve(show('Rollcall has stopped.')));

  const operations = await openOperations(settings, host, createLogger('all-in-one', level));
  if (operations) undo.push(() => operations.close());

  const databaseUrl = settings.DATABASE_URL ?? (await startDatabase(settings.DATA_DIR, show, lifetime, undo));
  await unlessAborted(migrate(databaseUrl, { tell: show }), lifetime.stopping);

  // The demo's applications would get no token from us where somebody else issues them.
  const withDemo = local && settings.BOOTSTRAP_APPS === undefined && settings.OIDC_ISSUER === undefined;
  if (withDemo) await addDemoAgent(databaseUrl, DEMO_AGENT);
  if (!local && settings.BOOTSTRAP_APPS === undefined && settings.OIDC_ISSUER === undefined) {
    show(
      `The demo applications are not made, since ${host} can be reached from other machines: name applications in BOOTSTRAP_APPS.`,
    );
  }

  const serviceSettings: ServiceSettings = {
    ...settings,
    DATABASE_URL: databaseUrl,
    ENCRYPTION_KEY: await encryptionKeyOf(settings),
    KAFKA_BROKERS: settings.KAFKA_BROKERS ?? [],
    HOST: host,
    BOOTSTRAP_APPS: settings.BOOTSTRAP_APPS ?? (withDemo ? DEMO_APPLICATIONS : []),
    ALLOW_DESTINATIONS: settings.ALLOW_DESTINATIONS ?? (local ? LOOPBACK_DESTINATIONS : []),
  };
  const busFor = createBuses(serviceSettings);
  const drains: (() => void)[] = [];
  const start = async (
    name: (typeof SERVICES)[number],
    service: (options: Lifetime & ServiceParts) => Promise<RunningService>,
  ): Promise<string> => {
    const logger = createLogger(name, level);
    const running = await service({ settings: serviceSettings, bus: busFor(name, logger), operations, logger, ...lifetime });
    undo.push(() => running.stop());
    drains.push(() => running.drain());
    return running.url;
  };

  // From the end of the path to its start, so that each finds the next one there; stopped the other way round.
  const receiver = local ? await startDemoReceiver(host, settings.RECEIVER_PORT, show) : undefined;
  if (receiver) undo.push(() => receiver.stop());
  const dispatcher = await start('dispatcher', startDispatcher);
  const presence = await start('presence', startPresence);
  const playground = receiver && playgroundOf(serviceSettings, presence, receiver.url);
  const subscriptionApi = await start('subscription-api', (options) =>
    startSubscriptionApi({
      ...options,
      docs: { presenceUrl: presence, hints: hintsOf(withDemo, receiver?.url) },
      ...(withDemo && { demo: { applications: DEMO_APPLICATIONS } }),
      ...(playground && { playground }),
    }),
  );

  const demo = withDemo
    ? await startDemoSession(
        {
          ...{ apiUrl: subscriptionApi, dataDir: settings.DATA_DIR, stopping: lifetime.stopping },
          logger: createLogger('all-in-one', level),
        },
        undo,
      )
    : undefined;
  const health = operations?.url ?? dispatcher;
  show(banner({ subscriptionApi, presence, health, console: settings.CONSOLE, receiver: receiver?.url }, demo));
  if (withDemo && !demo) show('The demo applications have other secrets by now, so that there are no lines to try it with.');
  undo.push(() => Promise.resolve(show('Stopping ... (what is under way is finished first)')));
  return { url: subscriptionApi, drain: () => drains.forEach((drain) => drain()) };
}

/** One port for all services; undefined: each has its own. */
async function openOperations(
  { OPERATIONS_PORT: port }: Settings,
  host: string,
  logger: Logger,
): Promise<OperationsServer | undefined> {
  return port === undefined ? undefined : OperationsServer.open({ host, port, logger, services: SERVICES });
}

/** What the API browser may say here: the demo's secrets are known to everybody. */
function hintsOf(withDemo: boolean, receiverUrl: string | undefined): object {
  if (!withDemo || receiverUrl === undefined) return {};
  // Everything on the page works with the last one, so that it is filled in.
  const applications = DEMO_APPLICATIONS.map(({ app_id: id, secret, access }) => ({ id, secret, access })).toReversed();
  return { applications, receiverUrl };
}

/** Telemetry needs an application that may send it; where an issuer gives out the tokens, there is none that we could act for. */
function playgroundOf({ BOOTSTRAP_APPS, OIDC_ISSUER }: ServiceSettings, presence: string, receiver: string) {
  const reporter = BOOTSTRAP_APPS?.find(({ access }) => access === 'platform');
  return reporter && OIDC_ISSUER === undefined ? { presence, receiver, reporter: reporter.app_id } : undefined;
}

async function startDatabase(
  dataDir: string,
  show: (text: string) => void,
  { stopping, fail }: Lifetime,
  undo: Cleanup[],
): Promise<string> {
  show(`Starting PostgreSQL in ${dataDir} ...`);
  const server = await EmbeddedPostgres.start(dataDir, [], show);
  undo.push(() => server.stop());
  stopping.throwIfAborted();
  server.keepRunning(fail);
  await server.ensureDatabase('rollcall');
  return server.socketUrl();
}

/** One bus a service, as in production: all on one in-process broker, or each with its own connection to Kafka. */
function createBuses(settings: ServiceSettings): (service: string, logger: Logger) => Bus {
  if (settings.KAFKA_BROKERS.length > 0) {
    return (service, logger) => kafkaBusOf(settings, service, logger);
  }
  const broker = new InProcessBroker({ consumed: [TELEMETRY_TOPIC, STATUS_CHANGED_TOPIC] });
  return (_service, logger) => broker.bus(logger);
}
