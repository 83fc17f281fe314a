import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createKafkaBus } from '#bus';
import { createLogger, endOrphan, endWithUs } from '#runtime';
import { freePorts } from '../services.js';

const run = promisify(execFile);

/** Of the broker that is fetched. */
export const KAFKA_VERSION = '4.3.0';
const START_TIMEOUT_MS = 90_000;
const STOP_TIMEOUT_MS = 15_000;
const MAX_BUFFER = 16 * 1024 * 1024;

export interface LocalKafkaOptions {
  /** Keeps the records over restarts. Default: a temporary directory, removed when stopped. */
  readonly dataDir?: string;
  /** Default: a free one. */
  readonly port?: number;
  /** By name, in small letters; beside the plain one on loopback, which is always there. */
  readonly listeners?: Readonly<Record<string, LocalListener>>;
  /** Users of SCRAM, with their passwords. */
  readonly scramUsers?: Readonly<Record<string, string>>;
  /** Further settings of the broker, as in server.properties. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Further arguments of the Java that it runs in. */
  readonly javaArguments?: readonly string[];
  /** Takes the lines for people, such as that jars are being downloaded. */
  readonly say?: (line: string) => void;
}

/** A further listener on a port of its own. */
export interface LocalListener {
  readonly protocol: 'SSL' | 'SASL_SSL' | 'SASL_PLAINTEXT';
  /** The broker's settings of this listener, without the `listener.name.….` that they begin with. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Why a local Kafka cannot be had. */
export class LocalKafkaError extends Error {
  override readonly name = 'LocalKafkaError';
}

/**
 * A real Kafka broker for development and tests: Apache's own jars, run in KRaft mode by the machine's Java on loopback only.
 * The jars are copied by Maven into `.cache/kafka` the first time.
 */
export class LocalKafka {
  private child: ChildProcess | undefined;
  private lastLines: string[] = [];

  private constructor(
    private readonly jars: string,
    private readonly directory: string,
    private readonly temporary: boolean,
    private readonly port: number,
    private readonly controllerPort: number,
    private readonly further: FurtherOptions,
  ) {}

  /** Checks whether this machine has what it takes. @returns what is missing, or undefined */
  static async missing(): Promise<string | undefined> {
    for (const [program, flag] of [
      ['java', '-version'],
      ['mvn', '-version'],
    ] as const) {
      if (program === 'mvn' && existsSync(jarsDirectory())) continue;
      const found = await run(program, [flag]).then(
        () => true,
        () => false,
      );
      if (!found) return program;
    }
    return undefined;
  }

  /** Returns the directory of Kafka's jars, its clients among them. @throws LocalKafkaError when they cannot be had */
  static jars(): Promise<string> {
    return ensureJars(() => undefined);
  }

  /**
   * Starts a broker and waits until it answers. A broker that a killed process left running on the same directory is stopped.
   *
   * @throws LocalKafkaError with the broker's last lines
   */
  static async start(options: LocalKafkaOptions = {}): Promise<LocalKafka> {
    const { dataDir, port, listeners = {}, scramUsers = {}, settings = {}, javaArguments = [], say = () => undefined } = options;
    const jars = await ensureJars(say);
    const directory = dataDir === undefined ? await mkdtemp(join(tmpdir(), 'rollcall-kafka-')) : resolve(dataDir);
    const [free, controller, ...others] = await freePorts(2 + Object.keys(listeners).length);
    const kafka = new LocalKafka(jars, directory, dataDir === undefined, port ?? free!, controller!, {
      listeners: Object.entries(listeners).map(([name, listener], index) => ({ ...listener, name, port: others[index]! })),
      scramUsers,
      settings,
      javaArguments,
    });
    try {
      await mkdir(directory, { recursive: true });
      await kafka.killOrphan();
      await kafka.format();
      await kafka.launch();
    } catch (error) {
      await kafka.stop();
      throw error;
    }
    return kafka;
  }

  /** Returns the addresses for KAFKA_BROKERS. */
  get brokers(): string[] {
    return [`127.0.0.1:${this.port}`];
  }

  /** Returns the addresses for KAFKA_BROKERS, by one of the further listeners. */
  brokersOf(listener: string): string[] {
    const found = this.further.listeners.find(({ name }) => name === listener);
    if (!found) throw new LocalKafkaError(`there is no listener ${listener}`);
    return [`127.0.0.1:${found.port}`];
  }

  /** Returns the process id of the broker that runs. */
  get pid(): number {
    if (this.child?.pid === undefined) throw new LocalKafkaError('Kafka does not run');
    return this.child.pid;
  }

  get running(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Calls a listener when the broker ends without having been told to. */
  onExit(listener: (lastLines: string) => void): void {
    const { child } = this;
    child?.once('exit', () => {
      if (this.child === child) listener(this.lastLines.join(' | '));
    });
  }

  /** Ends the broker in an orderly way; a temporary directory is removed. Safe to call twice. */
  async stop(): Promise<void> {
    await this.end('SIGTERM');
    if (this.temporary) await rm(this.directory, { recursive: true, force: true });
  }

  /** Kills the broker, which is what a power cut looks like to the clients; {@link restart} brings it back with its records. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Starts again on the same port and records after {@link kill}; ends it in an orderly way before, when it runs. */
  async restart(): Promise<void> {
    await this.end('SIGTERM');
    await this.launch();
  }

  /** Starts again on the same port with nothing of what was there: what the loss of its disk looks like. */
  async restartEmpty(): Promise<void> {
    await this.kill();
    await rm(join(this.directory, 'log'), { recursive: true, force: true });
    await this.format();
    await this.launch();
  }

  /** Has the broker stop answering while its connections stay: what a hung machine looks like. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (!child || !this.running) return;
    this.child = undefined;
    const exited = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
    await rm(this.pidFile, { force: true });
  }

  private get properties(): string {
    return join(this.directory, 'server.properties');
  }

  private get pidFile(): string {
    return join(this.directory, 'kafka.pid');
  }

  private async format(): Promise<void> {
    await writeFile(this.properties, propertiesOf(this.port, this.controllerPort, this.further));
    if (existsSync(join(this.directory, 'log', 'meta.properties'))) return;
    // Written with `=` below: an id may begin with a dash.
    const clusterId = randomBytes(16).toString('base64url');
    const args = [
      '-Xmx128m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      '-cp',
      join(this.jars, '*'),
      'kafka.tools.StorageTool',
    ];
    try {
      const users = Object.entries(this.further.scramUsers).flatMap(([name, password]) =>
        ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
          '--add-scram',
          `${mechanism}=[name=${name},password=${password}]`,
        ]),
      );
      await run('java', [...args, 'format', `--cluster-id=${clusterId}`, '-c', this.properties, ...users], {
        maxBuffer: MAX_BUFFER,
        cwd: this.directory,
      });
    } catch (error) {
      throw new LocalKafkaError(`Kafka could not create its files in ${this.directory}: ${reasonOf(error)}`);
    }
  }

  private async launch(): Promise<void> {
    this.lastLines = [];
    const child = spawn(
      'java',
      [
        ...['-Xmx512m', '-Xms128m', '-XX:+UseSerialGC', '-Djava.awt.headless=true'],
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        ...this.further.javaArguments,
        ...['-cp', join(this.jars, '*'), 'kafka.Kafka', this.properties],
      ],
      // Its own process group: Ctrl-C in the terminal reaches us alone, and we stop the broker last.
      { detached: true, stdio: ['ignore', 'ignore', 'pipe'], cwd: this.directory },
    );
    endWithUs(child);
    this.child = child;
    child.once('error', (error) => this.lastLines.push(error.message));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.lastLines = [...this.lastLines, ...chunk.trimEnd().split('\n')].slice(-15);
    });
    if (child.pid !== undefined) await writeFile(this.pidFile, String(child.pid));
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await this.answers())) {
      if (child.pid === undefined || !this.running) {
        throw new LocalKafkaError(`Kafka did not start: ${this.lastLines.join(' | ')}`);
      }
      if (Date.now() > deadline) {
        throw new LocalKafkaError(`Kafka was not ready within ${START_TIMEOUT_MS / 1000} s: ${this.lastLines.join(' | ')}`);
      }
      await delay(100);
    }
  }

  private async answers(): Promise<boolean> {
    const logger = createLogger('local-kafka', 'silent');
    const bus = createKafkaBus({ brokers: this.brokers, clientId: 'local-kafka', partitions: 1, logger });
    try {
      await bus.check();
      return true;
    } catch {
      return false; // still starting; the caller has the deadline
    } finally {
      await bus.close();
    }
  }

  /** A broker whose parent was killed goes on running for a moment; known by its process id, and by our file on its command line. */
  private async killOrphan(): Promise<void> {
    if (!existsSync(this.pidFile)) return;
    await endOrphan(Number(await readFile(this.pidFile, 'utf8')), this.properties, 'SIGTERM');
    await rm(this.pidFile, { force: true });
  }
}

interface PlacedListener extends LocalListener {
  readonly name: string;
  readonly port: number;
}

interface FurtherOptions {
  readonly listeners: readonly PlacedListener[];
  readonly scramUsers: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, string>>;
  readonly javaArguments: readonly string[];
}

/** Small and quick to start: one node, few internal partitions, no waiting for further group members. */
function propertiesOf(port: number, controllerPort: number, { listeners, settings }: FurtherOptions): string {
  const places = [`PLAINTEXT://127.0.0.1:${port}`, ...listeners.map(({ name, port: own }) => `${name}://127.0.0.1:${own}`)];
  const protocols = [
    'CONTROLLER:PLAINTEXT',
    'PLAINTEXT:PLAINTEXT',
    ...listeners.map(({ name, protocol }) => `${name}:${protocol}`),
  ];
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: [...places, `CONTROLLER://127.0.0.1:${controllerPort}`].join(),
    'advertised.listeners': places.join(),
    'listener.security.protocol.map': protocols.join(),
    'inter.broker.listener.name': 'PLAINTEXT',
    // In the directory that it is started in, whose own name may have commas, at which this list is split.
    'log.dirs': 'log',
    'auto.create.topics.enable': false,
    'default.replication.factor': 1,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    // A restarted broker is let in again once its former life is over.
    'broker.session.timeout.ms': 2000,
    'broker.heartbeat.interval.ms': 500,
    'controlled.shutdown.max.retries': 0,
    'log.index.size.max.bytes': 1_048_576,
    'log.cleaner.dedupe.buffer.size': 8_388_608,
    'num.network.threads': 2,
    'num.io.threads': 4,
    ...Object.fromEntries(listeners.flatMap(settingsOf)),
    ...settings,
  };
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${String(value).replaceAll('\n', '\\n')}\n`)
    .join('');
}

function settingsOf({ name, settings }: PlacedListener): [string, string][] {
  return Object.entries(settings).map(([setting, value]) => [`listener.name.${name}.${setting}`, value]);
}

/** Copied to another name and renamed when whole, so that an interrupted download leaves nothing that looks complete. */
async function ensureJars(say: (line: string) => void): Promise<string> {
  const jars = jarsDirectory();
  if (existsSync(jars)) return jars;
  say(`Downloading Apache Kafka ${KAFKA_VERSION} with Maven (about 45 MB, once) ...`);
  await mkdir(dirname(jars), { recursive: true });
  const draft = await mkdtemp(`${jars}.`);
  try {
    const pom = join(repository(), 'tools', 'kafka', 'pom.xml');
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${draft}`];
    await run('mvn', ['-q', '-B', '-f', pom, ...goal], { maxBuffer: MAX_BUFFER });
    await rename(draft, jars).catch((error: unknown) => {
      if (!existsSync(jars)) throw error; // another process was faster
    });
  } catch (error) {
    throw new LocalKafkaError(`Maven could not get Apache Kafka ${KAFKA_VERSION}: ${reasonOf(error)}`);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return jars;
}

function jarsDirectory(): string {
  return join(repository(), '.cache', 'kafka', KAFKA_VERSION);
}

/** The same from the sources and from `dist`. */
function repository(): string {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, 'package.json'))) {
    const parent = dirname(directory);
    if (parent === directory) throw new LocalKafkaError('there is no package.json above this file');
    directory = parent;
  }
  return directory;
}

/** A failed program's own words, or else the error's. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { stderr = '', stdout = '' } = error as { stderr?: string; stdout?: string };
  return (stderr.trim() || stdout.trim()).slice(-2000) || error.message;
}
