import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { endWithUs } from '#runtime';
import { migrateCommandOf } from '../../tools/services.js';
import { eventually } from './poll.js';

export { freePorts } from '../../tools/services.js';

// Where npm runs its scripts.
const ROOT = process.cwd();

/** What a process is started with; nothing of the machine's own settings is inherited but what programs need to run. */
export type Environment = Readonly<Record<string, string>>;

/** A service started as production starts it: `node dist/apps/<name>/main.js`. */
export class ServiceProcess {
  output = '';

  private constructor(
    readonly name: string,
    private readonly child: ChildProcess,
  ) {}

  /**
   * @param options.root of the tree whose build is started
   * @param options.args of a command
   * @param options.entry other than the app's `main.js`
   */
  static start(
    name: string,
    environment: Environment,
    {
      root = ROOT,
      args = [],
      entry = 'main.js',
    }: { readonly root?: string; readonly args?: readonly string[]; readonly entry?: string } = {},
  ): ServiceProcess {
    return ServiceProcess.run(name, [join(root, 'dist', 'apps', name, entry), ...args], environment, root);
  }

  /** Migrates a database. @param root of the tree whose build does it */
  static migrate(environment: Environment, root: string = ROOT): ServiceProcess {
    return ServiceProcess.run('migrate', migrateCommandOf(root), environment, root);
  }

  private static run(name: string, args: readonly string[], environment: Environment, root: string): ServiceProcess {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    endWithUs(child);
    const service = new ServiceProcess(name, child);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (service.output += text));
    }
    return service;
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.name} did not start`);
    return this.child.pid;
  }

  get exitCode(): number | null {
    return this.child.exitCode;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Waits until `/health/ready` says yes. */
  async ready(url: string, timeoutMs = 60_000): Promise<void> {
    await eventually(
      `${this.name} ready`,
      async () => {
        if (!this.running) return true;
        const response = await fetch(`${url}/health/ready`);
        if (!response.ok) throw new Error(await response.text());
        return true;
      },
      timeoutMs,
    );
    if (!this.running) throw new Error(`${this.name} ended with ${this.child.exitCode ?? this.child.signalCode}: ${this.output}`);
  }

  /** @returns the exit code, or the signal's name */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    if (this.running) {
      const exited = once(this.child, 'exit');
      this.child.kill(signal);
      await exited;
    }
    return this.child.exitCode ?? this.child.signalCode ?? 'unknown';
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async exited(): Promise<number | string> {
    if (this.running) await once(this.child, 'exit');
    return this.child.exitCode ?? this.child.signalCode ?? 'unknown';
  }
}
