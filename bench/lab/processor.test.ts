import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { parentOf, processorSeconds, tellsProcessorTime } from './processor.js';

const stops: (() => void)[] = [];

/** Works for 0.3 s of processor time. */
const WORK = 'while (process.cpuUsage().user < 300_000);';

/** Then says so, and waits until whoever started it has ended. */
const SAY_DONE = "console.log('done'); process.stdin.resume()";

/** Starts a Node program. @returns its process id, once somebody has said that it is done */
async function done(program: string): Promise<number> {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  stops.push(() => child.kill('SIGKILL'));
  await once(createInterface({ input: child.stdout }), 'line');
  return child.pid!;
}

/** A program that runs another one, and waits for it. */
function runs(program: string): string {
  return `require('child_process').execFileSync(process.execPath, ['-e', ${JSON.stringify(program)}]);`;
}

afterEach(() => stops.splice(0).forEach((stop) => stop()));

describe.skipIf(!tellsProcessorTime())('processorSeconds', { timeout: 120_000 }, () => {
  it('counts what a process used itself', async () => {
    const pid = await done(`${WORK} ${SAY_DONE}`);
    expect(processorSeconds({ pid })).toBeGreaterThanOrEqual(0.29);
  });

  it('counts a child that has ended, and what that one had waited for', async () => {
    const pid = await done(`${runs(runs(WORK))} ${SAY_DONE}`);
    expect(processorSeconds({ pid, withChildren: true }) - processorSeconds({ pid })).toBeGreaterThanOrEqual(0.29);
  });

  it('counts a child that still runs', async () => {
    const child = JSON.stringify(`${WORK} ${SAY_DONE}`);
    const pid = await done(`
      const stdio = ['pipe', 'inherit', 'inherit'];
      require('child_process').spawn(process.execPath, ['-e', ${child}], { stdio }); process.stdin.resume()`);
    expect(processorSeconds({ pid, withChildren: true }) - processorSeconds({ pid })).toBeGreaterThanOrEqual(0.29);
  });

  it('is nothing for a process that has ended', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    expect(processorSeconds({ pid: child.pid!, withChildren: true })).toBe(0);
    expect(parentOf(child.pid!)).toBeUndefined();
  });
});
