import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, join } from 'node:path';
import { endWithUs } from '#runtime';
import { eventually } from './poll.js';
import { freePorts } from './process.js';

const ROOT = process.cwd();
/** Beside node_modules, so that code in JavaScript finds its packages. */
const CACHE = join(ROOT, '.cache');

/** Reads the code on a page in Markdown, by the heading that it stands under; the first block of each. @param level how headings begin */
export async function codeOf(page: string, level: '# ' | '### ' = '### '): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(join(ROOT, page), 'utf8');
  const blocks = text.matchAll(new RegExp(`^${level}(.+)\\n(?:(?!^${level})[^])*?^\`\`\`\\w+\\n([^]*?)^\`\`\`$`, 'gm'));
  return new Map([...blocks].map((match) => [match[1]!, match[2]!]));
}

/** How code is run that is written to a file. */
export interface Runner {
  readonly file: string;
  /** Another file, which is copied beside it: its path from the root. */
  readonly beside?: string;
  /** Program and arguments, in the directory of the file. */
  readonly command: (port: number) => readonly [string, ...string[]];
  /** Why it cannot be run here; false: it can. */
  readonly missing: string | false;
}

const venv = join(CACHE, 'receivers', 'bin', 'python');
/** The Python that has the frameworks: that of tools/install-receivers.sh, or the machine's. */
export const PYTHON = existsSync(venv) ? venv : 'python3';

/** Where tools/install-receivers.sh puts Spring's jars. */
export const SPRING = join(CACHE, 'spring');

/** @returns why a program cannot be used: it is not there, or fails with these arguments */
export function missing(program: string, ...args: string[]): string | false {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return false;
  } catch {
    return `\`${[program, ...args].join(' ')}\` does not work on this machine`;
  }
}

/** A receiver that runs as a program of its own. */
export class CodeReceiver {
  output = '';

  private constructor(
    readonly port: number,
    private readonly directory: string,
    private readonly child: ChildProcess,
  ) {}

  /** @param environment of the program; PORT is added */
  static async start(
    code: string,
    { file, beside, command }: Runner,
    environment: Readonly<Record<string, string>>,
  ): Promise<CodeReceiver> {
    await mkdir(CACHE, { recursive: true });
    const directory = await mkdtemp(join(CACHE, 'receiver-'));
    await writeFile(join(directory, file), code);
    if (beside !== undefined) await copyFile(join(ROOT, beside), join(directory, basename(beside)));
    const [port] = (await freePorts(1)) as [number];
    const [program, ...args] = command(port);
    // A group of its own: some start another process.
    const child = spawn(program, args, {
      cwd: directory,
      env: { ...process.env, ...environment, PORT: String(port) },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    endWithUs(child);
    const receiver = new CodeReceiver(port, directory, child);
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (receiver.output += String(chunk)));
    child.on('error', (error) => (receiver.output += error.message));
    await eventually(`${file} on port ${port}`, () => receiver.listens(), 120_000);
    return receiver;
  }

  /** Reads a file that the program wrote beside itself. */
  read(file: string): Promise<string> {
    return readFile(join(this.directory, file), 'utf8');
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = once(this.child, 'exit');
      process.kill(-this.child.pid!, 'SIGKILL');
      await ended;
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  private async listens(): Promise<boolean> {
    if (this.child.exitCode !== null) throw new Error(`the receiver ended: ${this.output}`);
    const socket = connect(this.port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return true;
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  }
}
