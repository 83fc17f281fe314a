// The way in for npm scripts: installs and builds what is missing, saying so, and then runs the command on the pinned Node.
// Runs on whatever Node the machine has and imports nothing that would have to be installed.
//   node tools/run.mjs [--no-build] <command> [arguments]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, utimesSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const pinnedNode = join(root, 'node_modules', 'node', 'bin');
// Both are written last by the tool that makes the rest, so their age is that of the whole.
const installed = join(root, 'node_modules', '.package-lock.json');
const built = join(root, 'dist', '.tsbuildinfo');
const SOURCES = ['apps', 'libs', 'tools', 'bench', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'nest-cli.json'];

function say(text) {
  process.stderr.write(`${text}\n`);
}

function runOrExit(command, args, env = process.env) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env });
  if (status !== 0) {
    say(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`);
    process.exit(status ?? 1);
  }
}

function ensureInstalled() {
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs) return;
  say('Installing dependencies (the first time takes about half a minute) ...');
  runOrExit('npm', ['ci', '--loglevel=error', '--no-progress']);
}

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), stat.mtimeMs);
}

function ensureBuilt(env) {
  const sources = Math.max(...SOURCES.map((source) => newest(join(root, source))));
  if (existsSync(built) && statSync(built).mtimeMs >= sources) return;
  say('Building ...');
  runOrExit('npm', ['run', '--silent', 'build'], env);
  // The compiler leaves the file alone when the output would be the same.
  utimesSync(built, new Date(), new Date());
}

const args = process.argv.slice(2);
const build = args[0] !== '--no-build';
if (!build) args.shift();

ensureInstalled();
const env = {
  ...process.env,
  PATH: [pinnedNode, join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
};
if (build) ensureBuilt(env);

const [command, ...rest] = args;
const child = spawn(command, rest, { cwd: root, stdio: 'inherit', env });
// The terminal sends Ctrl-C to the whole group; a plain `kill` reaches us alone and is passed on.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('error', (error) => {
  say(`${command}: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code) => process.exit(code ?? 1));
