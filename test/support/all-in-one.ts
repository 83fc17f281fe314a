import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Urls } from './client.js';
import { freePorts, ServiceProcess, type Environment } from './process.js';

/** Makes a fresh data directory that the embedded server, which may run as another user, can enter. */
export async function makeDataDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'rollcall-data-'));
  await chmod(directory, 0o755);
  return directory;
}

/** The all-in-one as `npm start` runs it, on ports and a data directory of its own. */
export class AllInOne {
  private constructor(
    readonly dataDir: string,
    private readonly ports: readonly number[],
    private readonly extra: Environment,
    private readonly root: string | undefined,
    private service: ServiceProcess,
  ) {}

  /** @param root of the tree whose build is started; this one unless given */
  static async start(extra: Environment = {}, root?: string): Promise<AllInOne> {
    const dataDir = extra['DATA_DIR'] ?? (await makeDataDirectory());
    const ports = await freePorts(4);
    const environment = AllInOne.environment(dataDir, ports, extra);
    const service = ServiceProcess.start('all-in-one', environment, { root });
    const allInOne = new AllInOne(dataDir, ports, extra, root, service);
    await allInOne.ready();
    return allInOne;
  }

  static environment(dataDir: string, ports: readonly number[], extra: Environment): Environment {
    const [api, presence, dispatcher, receiver] = ports.map(String) as [string, string, string, string];
    return {
      DATA_DIR: dataDir,
      SUBSCRIPTION_API_PORT: api,
      PRESENCE_PORT: presence,
      DISPATCHER_PORT: dispatcher,
      RECEIVER_PORT: receiver,
      ...extra,
    };
  }

  get process(): ServiceProcess {
    return this.service;
  }

  get urls(): Urls {
    return { subscriptionApi: this.base(0), presence: this.base(1) };
  }

  /** Returns the base URLs of subscription-api, presence and dispatcher, in this order. */
  get serviceUrls(): string[] {
    return [0, 1, 2].map((index) => this.base(index));
  }

  get receiverUrl(): string {
    return this.base(3);
  }

  /** Returns the environment of a second process on the same directory and ports. */
  get environment(): Environment {
    return AllInOne.environment(this.dataDir, this.ports, this.extra);
  }

  /** Starts it again, on the same directory and ports, after it ended. */
  async restart(): Promise<void> {
    this.service = ServiceProcess.start('all-in-one', this.environment, { root: this.root });
    await this.ready();
  }

  async remove(): Promise<void> {
    await this.service.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  private async ready(): Promise<void> {
    for (const index of [2, 1, 0]) await this.service.ready(this.base(index));
  }

  private base(index: number): string {
    return `http://127.0.0.1:${this.ports[index]}`;
  }
}
