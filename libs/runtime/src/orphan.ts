import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Longest that it is given for an orderly stop, in milliseconds. */
const STOP_TIMEOUT_MS = 20_000;

/**
 * Ends a process that a killed one of ours left behind, and waits until it is gone.
 *
 * @param pid as it was written down; by now it may be nobody's, or somebody else's
 * @param mark a path of ours that stands on its command line: only such a process is ended
 * @param signal its own for an orderly stop
 */
export async function endOrphan(pid: number, mark: string, signal: NodeJS.Signals): Promise<void> {
  const isOurs = async (): Promise<boolean> => pid > 0 && (await commandLineOf(pid)).includes(mark);
  if (!Number.isInteger(pid) || !(await isOurs())) return;
  process.kill(pid, 'SIGCONT');
  process.kill(pid, signal);
  for (const deadline = Date.now() + STOP_TIMEOUT_MS; await isOurs(); await delay(100)) {
    if (Date.now() > deadline) process.kill(pid, 'SIGKILL');
  }
}

/** Empty where there is no such process. */
async function commandLineOf(pid: number): Promise<string> {
  try {
    return await readFile(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    const { stdout } = await run('ps', ['-o', 'args=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
    return stdout;
  }
}
