import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/poll.js';

/** A process that starts another, which ends in its own way on SIGTERM, and says its process id. */
const PARENT = `
  import { spawn } from 'node:child_process';
  import { endWithUs } from '#runtime';
  const child = spawn('/bin/sh', ['-c', process.argv[1]], { detached: true, stdio: 'ignore' });
  endWithUs(child);
  console.log(child.pid);
  setInterval(() => undefined, 1000);`;

describe('a child of a process that is gone', () => {
  const started: ChildProcess[] = [];
  let child = 0;
  afterEach(() => {
    for (const { pid } of started.splice(0)) if (isRunning(pid!)) process.kill(pid!, 'SIGKILL');
    if (child > 0 && isRunning(child)) process.kill(-child, 'SIGKILL');
  });

  async function startBoth(script: string): Promise<ChildProcess> {
    const parent = spawn(process.execPath, ['--input-type=module', '-e', PARENT, script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    started.push(parent);
    const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
    child = Number(line);
    expect(isRunning(child)).toBe(true);
    return parent;
  }

  it.each(['SIGKILL', 'SIGTERM', 'SIGHUP'] as const)('ends, where %s ended it', async (signal) => {
    const parent = await startBoth('while :; do sleep 0.1; done');
    parent.kill(signal);
    await eventually('the end of the child', () => !isRunning(child));
  });

  it('ends, though it is frozen', async () => {
    const parent = await startBoth('while :; do sleep 0.1; done');
    process.kill(child, 'SIGSTOP');
    parent.kill('SIGKILL');
    await eventually('the end of the child', () => !isRunning(child));
  });

  it('ends, though it does not heed SIGTERM', async () => {
    const parent = await startBoth("trap '' TERM; while :; do sleep 0.1; done");
    parent.kill('SIGKILL');
    await eventually('the end of the child', () => !isRunning(child), 60_000);
  }, 90_000);
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
