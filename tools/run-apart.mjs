#!/usr/bin/env node
// Runs node with the given arguments as nobody's child, and ends with its exit code. For Nest's watch (`exec` in nest-cli.json):
// before it starts a process again it sends SIGTERM to all of its descendants at once, and PostgreSQL would end before the services
// that write to it. This process is all that the watch finds; it passes on what it is told, and waits for the end.
import { spawn } from 'node:child_process';

// The first shell ends at once, so that the second one and the node below it belong to no process of the watch.
const APART = `{ node "$@" >&4 3>&- 4>&- & echo $!; wait $!; echo $?; } >&3 &`;

// Nest quotes a path with spaces also where there is no shell to take the quotes away.
const args = process.argv.slice(2).map((arg) => arg.replace(/^"(.*)"$/, '$1'));
const parent = process.ppid;
const shell = spawn('/bin/sh', ['-c', APART, 'sh', ...args], {
  stdio: ['inherit', 'ignore', 'inherit', 'pipe', process.stdout],
});
shell.on('error', (error) => {
  process.stderr.write(`/bin/sh: ${error.message}\n`);
  process.exit(1);
});

// Two lines: the process's id, and how it ended.
let told = '';
let untold;
shell.stdio[3].setEncoding('utf8').on('data', (text) => {
  told += text;
  if (untold) end(untold);
});
shell.stdio[3].on('end', () => process.exit(Number(told.split('\n')[1] || 1)));

function end(signal) {
  const [pid, status] = told.split('\n');
  untold = pid ? undefined : signal;
  if (!pid || status) return;
  try {
    process.kill(Number(pid), signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error; // it has just ended
  }
}
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, end);
// Who started us may have been killed.
setInterval(() => {
  if (process.ppid !== parent) end('SIGTERM');
}, 500).unref();
