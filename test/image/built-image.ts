import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, cp, mkdir, mkdtemp, readFile, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endWithUs } from '#runtime';
import { eventually } from '../support/poll.js';

const run = promisify(execFile);
const MAX_BUFFER = 256 * 1024 * 1024;
/** What the image is built by and run in, all of which come without a daemon. */
const PROGRAMS = ['buildah', 'bwrap', 'mmdebstrap'];
const BASE = 'docker.io/library/node:24-slim';
const IMAGE = 'localhost/rollcall:image-test';

/** @returns the programs that this machine lacks */
export async function missingPrograms(): Promise<string[]> {
  const found = await Promise.all(PROGRAMS.map((program) => run('which', [program]).then(() => true, () => false))); // prettier-ignore
  return PROGRAMS.filter((_, index) => !found[index]);
}

async function buildah(...args: readonly string[]): Promise<string> {
  return (await run('buildah', args, { cwd: process.cwd(), maxBuffer: MAX_BUFFER })).stdout.trim();
}

/** The image as deploy/Dockerfile makes it, without Docker. Where its base cannot be pulled, Debian and the pinned Node.js stand in. */
export class BuiltImage {
  private constructor(
    private readonly container: string,
    /** Of its file system, on this machine. */
    readonly root: string,
  ) {}

  static async build(say: (line: string) => void): Promise<BuiltImage> {
    if (!(await hasBase())) {
      say('Making a base for the image out of Debian and Node.js ...');
      await makeBase();
    }
    say('Building the image ...');
    await buildah(
      'bud',
      '--pull-never',
      '--isolation',
      'chroot',
      '--format',
      'docker',
      '-f',
      'deploy/Dockerfile',
      '-t',
      IMAGE,
      '.',
    );
    const container = await buildah('from', '--pull-never', IMAGE);
    return new BuiltImage(container, await buildah('mount', container));
  }

  /** Returns what the image says of itself. */
  async config(): Promise<Record<string, unknown>> {
    return (JSON.parse(await buildah('inspect', '--type', 'image', IMAGE)) as { Docker: { config: Record<string, unknown> } })
      .Docker.config;
  }

  /** Returns how many MiB on disk are added to the base. */
  async size(): Promise<number> {
    return Number((await run('du', ['-sm', join(this.root, 'app')])).stdout.split('\t')[0]);
  }

  /** Starts a command as the image's user, with no rights and nothing to write to. */
  start(command: readonly string[], environment: Readonly<Record<string, string>>): Contained {
    const variables = Object.entries({ NODE_ENV: 'production', HOST: '127.0.0.1', ...environment });
    const args = [
      ...['--ro-bind', this.root, '/', '--proc', '/proc', '--dev', '/dev', '--chdir', '/app', '--die-with-parent'],
      ...['--unshare-user', '--uid', '1000', '--gid', '1000', '--unshare-pid', '--cap-drop', 'ALL', '--clearenv'],
      ...['--setenv', 'PATH', '/usr/local/bin:/usr/bin:/bin'],
      ...variables.flatMap(([name, value]) => ['--setenv', name, value]),
    ];
    return new Contained(spawn('bwrap', [...args, ...command], { stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  async remove(): Promise<void> {
    await buildah('rm', this.container);
    await buildah('rmi', IMAGE);
  }
}

/** A process in the image's file system. */
export class Contained {
  output = '';

  constructor(private readonly child: ChildProcess) {
    endWithUs(child);
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
  }

  async exited(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    return this.child.exitCode;
  }

  async ready(url: string): Promise<void> {
    const isReady = async (): Promise<boolean> => {
      if (this.child.exitCode !== null) throw new Error(this.output);
      return (await fetch(`${url}/health/ready`)).ok;
    };
    await eventually(`${url} is ready`, isReady, 120_000);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    // bwrap passes no signals on.
    process.kill(await innermost(this.child.pid!), 'SIGTERM');
    await this.exited();
  }
}

/** The last in a line of only children: what bwrap runs. */
async function innermost(pid: number): Promise<number> {
  const child = Number((await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ')[0]);
  return child === 0 ? pid : innermost(child);
}

function hasBase(): Promise<boolean> {
  return buildah('from', '--pull-never', BASE)
    .catch(() => buildah('from', BASE))
    .then((container) => buildah('rm', container))
    .then(
      () => true,
      () => false,
    );
}

/** `node:24-slim` in what matters here: Debian, the same Node.js, npm, and the machine's ways to the registry. */
async function makeBase(): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'rollcall-base-'));
  const root = join(work, 'root');
  try {
    await run('mmdebstrap', ['--variant=minbase', '--include=ca-certificates', 'bookworm', root], { maxBuffer: MAX_BUFFER });
    await copyFile(join(process.cwd(), 'node_modules', 'node', 'bin', 'node'), join(root, 'usr/local/bin/node'));
    const modules = join(root, 'usr/local/lib/node_modules');
    await mkdir(modules, { recursive: true });
    const npm = join(await realpath((await run('npm', ['root', '-g'])).stdout.trim()), 'npm');
    await cp(npm, join(modules, 'npm'), { recursive: true, dereference: true });
    await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'));
    const ofMachine = (await run('npm', ['config', 'get', 'globalconfig'])).stdout.trim();
    await mkdir(join(root, 'usr/local/etc'), { recursive: true });
    if (existsSync(ofMachine)) await copyFile(ofMachine, join(root, 'usr/local/etc/npmrc'));
    await copyFile('/etc/ssl/certs/ca-certificates.crt', join(root, 'etc/ssl/certs/ca-certificates.crt'));
    const container = await buildah('from', 'scratch');
    await run('cp', ['-a', `${root}/.`, `${await buildah('mount', container)}/`]);
    await buildah('config', '--env', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', container);
    await buildah('commit', '--quiet', container, BASE);
    await buildah('rm', container);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
