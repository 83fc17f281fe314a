import { spawn, type ChildProcess } from 'node:child_process';

/**
 * Waits for the end of its input, which comes with the end of whoever holds the other side, however that ended; then ends the
 * process: with the signal that it takes for an orderly stop (it may be frozen), and after 15 seconds with SIGKILL.
 */
const WATCH = `
read -r _
kill -CONT "$1" && kill -"$2" "$1" || exit 0
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 1; kill -0 "$1" || exit 0; done
kill -KILL "$1"`;

/**
 * Ends a child process when this one ends, even by SIGKILL: otherwise a server in a process group of its own would stay behind.
 * A small shell watches; it ends with the child.
 *
 * @param signal the child's own for an orderly stop
 */
export function endWithUs(child: ChildProcess, signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): void {
  if (child.pid === undefined) return; // it could not be started
  const args = ['-c', WATCH, 'rollcall-watch', String(child.pid), signal.slice('SIG'.length)];
  const watch = spawn('/bin/sh', args, { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  // Whoever ends us may be about to end the watch too; and there is nothing to be done about a machine without a shell.
  for (const emitter of [watch, watch.stdin]) emitter.on('error', () => undefined);
  watch.unref();
  (watch.stdin as unknown as { unref(): void }).unref();
  child.once('exit', () => watch.kill('SIGKILL'));
}
