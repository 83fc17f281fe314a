import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { KAFKA_SETTINGS } from '#bus';
import { EmbeddedPostgres, migrate } from '#database';
import { endWithUs, isLoopback, onStopSignal, readSettings, StartError, type Settings } from '#runtime';
import { encryptionKeyOf, lockDataDirectory } from '../apps/all-in-one/src/data-directory.js';
import { addDemoAgent } from '../apps/all-in-one/src/demo.repository.js';
import { banner, DEMO_AGENT, DEMO_APPLICATIONS } from '../apps/all-in-one/src/demo.js';
import { assertPortsFree } from '../apps/all-in-one/src/ports.js';
import { LocalKafka, LocalKafkaError } from './kafka/local-kafka.js';
import { DISPATCHER_SETTINGS } from '../apps/dispatcher/src/settings.js';
import { PRESENCE_SETTINGS } from '../apps/presence/src/settings.js';
import { SUBSCRIPTION_API_SETTINGS } from '../apps/subscription-api/src/settings.js';
import { SERVICE_ENVIRONMENT } from './services.js';

/**
 * `npm run start:cluster`: the three services as processes of their own, as in production, on a Kafka and a PostgreSQL of
 * this machine (unless KAFKA_BROKERS or DATABASE_URL name others). Ctrl-C stops everything in reverse; so does the end of any
 * part, with exit code 1.
 */

/** From the end of the path to its start; stopped the other way round. */
const SERVICES = [
  { name: 'dispatcher', port: 'DISPATCHER_PORT' },
  { name: 'presence', port: 'PRESENCE_PORT' },
  { name: 'subscription-api', port: 'SUBSCRIPTION_API_PORT' },
] as const;

/** The services' settings, so that a wrong one is told before anything is started, and those of this process. */
const USED = [
  ...SUBSCRIPTION_API_SETTINGS,
  ...PRESENCE_SETTINGS,
  ...DISPATCHER_SETTINGS,
  ...KAFKA_SETTINGS,
  ...(['DATA_DIR', 'KAFKA_BROKERS', 'LOG_LEVEL'] as const),
];
type UsedSettings = Pick<Settings, (typeof USED)[number]>;

const READY_TIMEOUT_MS = 60_000;
/** Longer than a service's own patience with its stop. */
const STOP_TIMEOUT_MS = 30_000;

const stops: (() => Promise<void>)[] = [];
let stopping: Promise<void> | undefined;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Stops everything, once; whoever asks first says how the process ends. */
function stop(exitCode: number): Promise<void> {
  stopping ??= (async () => {
    for (const undo of stops.reverse()) {
      await undo().catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
    }
    process.exit(exitCode);
  })();
  return stopping;
}

function fail(message: string): void {
  if (stopping) return;
  process.stderr.write(`${message}\n`);
  void stop(1);
}

async function start(settings: UsedSettings): Promise<void> {
  const host = settings.HOST ?? '127.0.0.1';
  const local = isLoopback(host);
  const lock = await lockDataDirectory(settings.DATA_DIR);
  stops.push(() => lock.release());
  await assertPortsFree(host, Object.fromEntries(SERVICES.map(({ port }) => [port, settings[port]])));

  const databaseUrl = settings.DATABASE_URL ?? (await startDatabase(settings.DATA_DIR));
  const brokers = settings.KAFKA_BROKERS ?? (await startKafka(settings.DATA_DIR));
  await migrate(databaseUrl, { tell: say });
  const withDemo = local && settings.BOOTSTRAP_APPS === undefined;
  if (withDemo) await addDemoAgent(databaseUrl, DEMO_AGENT);

  const encryptionKey = await encryptionKeyOf(settings);
  const environment: NodeJS.ProcessEnv = {
    ...SERVICE_ENVIRONMENT,
    ...process.env,
    HOST: host,
    // Nobody calls by way of another instance.
    SHUTDOWN_DELAY: '0s',
    // One port cannot be each service's.
    OPERATIONS_PORT: undefined,
    // As values, whatever files they were read from.
    DATABASE_URL_FILE: undefined,
    ...(encryptionKey !== undefined && { ENCRYPTION_KEY_FILE: undefined }),
    DATABASE_URL: databaseUrl,
    KAFKA_BROKERS: brokers.join(','),
    ...(encryptionKey !== undefined && { ENCRYPTION_KEY: encryptionKey }),
    // The terminal belongs to what a person reads; LOG_LEVEL=info shows the services at work.
    LOG_LEVEL: settings.LOG_LEVEL ?? 'warn',
    ...(withDemo && { BOOTSTRAP_APPS: JSON.stringify(DEMO_APPLICATIONS) }),
    ...(local && settings.ALLOW_DESTINATIONS === undefined && { ALLOW_DESTINATIONS: '127.0.0.0/8,::1' }),
  };
  const urls: Record<string, string> = {};
  for (const { name, port } of SERVICES) {
    const url = `http://${host.includes(':') ? `[${host}]` : host}:${settings[port]}`;
    await ready(startService(name, environment), name, url);
    urls[name] = url;
  }
  if (stopping) return;
  say(
    banner(
      {
        subscriptionApi: urls['subscription-api']!,
        presence: urls['presence']!,
        health: urls['dispatcher']!,
        console: settings.CONSOLE,
        receiver: undefined,
      },
      undefined, // its lines need the demo receiver
    ),
  );
  const { host: database } = new URL(databaseUrl);
  say(`Kafka is at ${brokers.join(',')}, PostgreSQL at ${database}.`);
}

async function startDatabase(dataDir: string): Promise<string> {
  say(`Starting PostgreSQL in ${dataDir} ...`);
  const server = await EmbeddedPostgres.start(dataDir, [], say);
  stops.push(() => server.stop());
  server.keepRunning(fail);
  await server.ensureDatabase('rollcall');
  return server.url();
}

async function startKafka(dataDir: string): Promise<string[]> {
  const missing = await LocalKafka.missing();
  if (missing !== undefined) {
    throw new StartError(`A local Kafka needs Java 17 and Maven, and ${missing} is missing: install it, or set KAFKA_BROKERS.`);
  }
  say(`Starting Kafka in ${join(dataDir, 'kafka')} ...`);
  const kafka = await LocalKafka.start({ dataDir: join(dataDir, 'kafka'), say });
  kafka.onExit((lastLines) => fail(`Kafka ended: ${lastLines}`));
  stops.push(() => kafka.stop());
  return kafka.brokers;
}

/** Its own process group: Ctrl-C reaches us alone, and we stop the services in order. */
function startService(name: string, env: NodeJS.ProcessEnv): ChildProcess {
  const main = join(import.meta.dirname, '..', 'apps', name, 'main.js');
  const child = spawn(process.execPath, [main], { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  endWithUs(child);
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => say(`${name.padEnd(16)} | ${line}`));
  }
  child.once('exit', (code, signal) => fail(`${name} ended with ${signal ?? `exit code ${code}`}.`));
  stops.push(() => stopService(child));
  return child;
}

async function stopService(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

async function ready(child: ChildProcess, name: string, url: string): Promise<void> {
  let last = 'no answer';
  for (const deadline = Date.now() + READY_TIMEOUT_MS; Date.now() < deadline; await delay(100)) {
    // What it ended with is said, and everything stopped, by its exit listener.
    if (stopping || child.exitCode !== null || child.signalCode !== null) return;
    try {
      const response = await fetch(`${url}/health/ready`);
      last = await response.text();
      if (response.ok) return;
    } catch (error) {
      last = String(error);
    }
  }
  throw new StartError(`${name} was not ready within ${READY_TIMEOUT_MS / 1000} s: ${last}`);
}

onStopSignal(() => void stop(0));
try {
  await start(readSettings(undefined, USED));
} catch (error) {
  fail(error instanceof StartError || error instanceof LocalKafkaError ? error.message : String((error as Error).stack));
}
