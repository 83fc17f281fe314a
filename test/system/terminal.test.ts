import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AllInOne } from '../support/all-in-one.js';
import { call } from '../support/client.js';
import { eventually } from '../support/poll.js';
import { freePorts } from '../support/process.js';

const run = promisify(execFile);
const ROOT = process.cwd();

/** Only its owner may enter. */
let parent: string;
let children: ChildProcess[];

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'rollcall terminal '));
  children = [];
});
afterEach(async () => {
  for (const { pid } of children) if (isRunning(-pid!)) process.kill(-pid!, 'SIGKILL');
  await eventually('that nothing is left', async () => (await leftIn(parent)).length === 0, 60_000);
  await rm(parent, { recursive: true, force: true });
});

/** What runs with a path below a directory on its command line: PostgreSQL, Kafka. */
async function leftIn(directory: string): Promise<string[]> {
  const { stdout } = await run('ps', ['-eo', 'pid=,args='], { maxBuffer: 64 * 1024 * 1024 });
  return stdout.split('\n').filter((line) => line.includes(directory) && !/ ps -eo/.test(line));
}

/** @param pid below zero: of a group of processes */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Starts a command in a process group of its own, which ends with the test, whatever it has started behind it. */
function start(command: readonly string[], environment: NodeJS.ProcessEnv = {}): ChildProcess {
  const [program, ...args] = command as [string, ...string[]];
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment };
  const child = spawn(program, args, { cwd: ROOT, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return child;
}

describe('the all-in-one', () => {
  async function startAllInOne(prefix = ''): Promise<{ shell: ChildProcess; url: string; pid: number }> {
    const ports = await freePorts(4);
    const environment = AllInOne.environment(join(parent, 'data'), ports, {});
    const pidFile = join(parent, 'pid');
    // As a shell does it, which passes the program's name on.
    const script = `${prefix} "${process.execPath}" dist/apps/all-in-one/main.js >"$LOG" 2>&1 & echo $! >"$PID_FILE"; wait`;
    const shell = start(['bash', '-c', script], { ...environment, LOG: join(parent, 'log'), PID_FILE: pidFile });
    const url = `http://127.0.0.1:${ports[0]}`;
    await eventually('ready', async () => (await call(`${url}/health/ready`)).status === 200, 60_000);
    return { shell, url, pid: Number(await readFile(pidFile, 'utf8')) };
  }

  it('ends in order when its terminal is closed', async () => {
    const { pid } = await startAllInOne();
    expect(await leftIn(parent)).not.toEqual([]);
    process.kill(pid, 'SIGHUP');
    await eventually('the end', () => !isRunning(pid), 60_000);
    expect(await leftIn(parent)).toEqual([]);
  });

  it('goes on under nohup', async () => {
    const { pid, url } = await startAllInOne('nohup');
    process.kill(pid, 'SIGHUP');
    process.kill(pid, 'SIGHUP');
    // What comes after a signal was taken shows what it did.
    expect((await call(`${url}/health/ready`)).status).toBe(200);
    expect(isRunning(pid)).toBe(true);
    process.kill(pid, 'SIGTERM');
    await eventually('the end', () => !isRunning(pid), 60_000);
  });

  it('leaves nothing behind when it is killed', async () => {
    const { pid } = await startAllInOne();
    process.kill(pid, 'SIGKILL');
    await eventually('that nothing is left', async () => (await leftIn(parent)).length === 0, 60_000);
  });

  it('starts its database again when that is killed', async () => {
    const { pid, url } = await startAllInOne();
    const [postgres] = await leftIn(parent);
    const already = new Set(await leftIn(parent));
    process.kill(Number(postgres!.trim().split(' ')[0]), 'SIGKILL');
    await eventually('another server', async () => (await leftIn(parent)).some((line) => !already.has(line)), 60_000);
    await eventually('ready', async () => (await call(`${url}/health/ready`)).status === 200, 60_000);
    const log = await readFile(join(parent, 'log'), 'utf8');
    expect(log).toMatch(/^PostgreSQL ended \(SIGKILL\) and is started again\.$/m);
    expect(log).not.toContain('"stack"');
    process.kill(pid, 'SIGTERM');
    await eventually('the end', () => !isRunning(pid), 60_000);
  });
}, 120_000);

describe('npm’s way in', () => {
  it.each(['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGKILL'] as const)(
    'leaves no server of the tests behind on %s',
    async (signal) => {
      // KAFKA_BROKERS: none of its own; that one is ended in the same way.
      const environment = { TMPDIR: parent, KAFKA_BROKERS: '127.0.0.1:1' };
      const test = start(['npm', 'test', '--', 'test/system/seed-example.test.ts'], environment);
      const servers = await eventually(
        'its servers',
        async () => {
          const left = (await leftIn(parent)).filter((line) => line.includes('postgres'));
          return left.length > 0 && left;
        },
        60_000,
      );
      expect(servers).not.toEqual([]);
      test.kill(signal);
      await once(test, 'exit');
      await eventually('that nothing is left', async () => (await leftIn(parent)).length === 0, 60_000);
    },
    120_000,
  );

  it('reads .env, and the environment wins', async () => {
    const clone = join(parent, 'clone');
    await mkdir(join(clone, 'tools'), { recursive: true });
    await writeFile(join(clone, 'tools', 'run.mjs'), await readFile(join(ROOT, 'tools', 'run.mjs')));
    await writeFile(join(clone, '.env'), 'PRESENCE_PORT=4001\nDISPATCHER_PORT="4002"\n# HOST=1\n');
    // Installed and built, as far as it can see.
    await mkdir(join(clone, 'node_modules'), { recursive: true });
    await writeFile(join(clone, 'package-lock.json'), '{}');
    await writeFile(join(clone, 'node_modules', '.package-lock.json'), '{}');
    await chmod(clone, 0o700);
    const show = 'process.stdout.write(JSON.stringify([process.env.PRESENCE_PORT, process.env.DISPATCHER_PORT]))';
    const main = (...flags: string[]) =>
      run(process.execPath, ['tools/run.mjs', '--no-build', ...flags, process.execPath, '-e', show], {
        cwd: clone,
        env: { PATH: process.env['PATH'], DISPATCHER_PORT: '5002' },
      });
    const read = await main('--dotenv');
    expect(JSON.parse(read.stdout)).toEqual(['4001', '5002']);
    expect(read.stderr).toBe('Settings are read from .env, too; the environment wins.\n');
    expect(JSON.parse((await main()).stdout)).toEqual([null, '5002']);

    const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
    const reading = Object.keys(scripts).filter((name) => scripts[name]!.includes(' --dotenv '));
    expect(reading.sort()).toEqual(['app', 'cli', 'dev', 'keys', 'migrate', 'smoke', 'start', 'start:cluster']);
  });
});
