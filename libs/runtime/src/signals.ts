import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename } from 'node:path';
import { startedBy } from './config.js';

/** `O_ACCMODE` and `O_WRONLY` of open(2). */
const ACCESS_MODE = 0o3;
const WRITE_ONLY = 0o1;

/**
 * Calls back when the process is told to end: SIGTERM, SIGINT (Ctrl-C), and SIGHUP, which is a terminal that was closed. Under
 * `nohup` a SIGHUP is passed over. May call back more than once.
 */
export function onStopSignal(stop: (signal: NodeJS.Signals) => void): void {
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', (signal) => {
    if (!isUnderNohup()) stop(signal);
  });
  // What is written to a terminal that is gone fails, and must not end the process before it has stopped in order.
  process.stdout.on('error', ignore);
  process.stderr.on('error', ignore);
}

/** What a shell says of a process that SIGTERM has ended. */
const ENDED_BY_SIGTERM = 128 + constants.signals.SIGTERM;

/**
 * Ends a command's process on SIGTERM at once, also as process 1 and while it waits for its database, which takes back what
 * is not done. The exit code is not 0, with which whoever waits for the command would go on as if it had been done.
 */
export function endOnSigterm(): void {
  process.on('SIGTERM', () => {
    process.stderr.write('Told to end before it was done.\n');
    process.exit(ENDED_BY_SIGTERM);
  });
}

function ignore(): void {
  // There is nobody left to read it.
}

/**
 * Whether the process was started by `nohup`. Node takes back that SIGHUP is ignored, which is all that `nohup` does to a process;
 * what shows it still is the name that the shell passes on, or the standard input, which it opens for writing only.
 */
function isUnderNohup(): boolean {
  return basename(startedBy() ?? '') === 'nohup' || isOpenForWritingOnly(0);
}

/** False where there is no `/proc` to tell. */
function isOpenForWritingOnly(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & ACCESS_MODE) === WRITE_ONLY;
  } catch {
    return false;
  }
}
