// The way in for npm scripts: installs and builds what is missing, saying so, and then runs the command on the pinned Node.
// Runs on whatever Node the machine has and imports nothing that would have to be installed.
//   node tools/run.mjs [--no-build | --build-console] [--dotenv] <command> [arguments]
// With --build-console only the console is built, and only where it never was: for what compiles the rest by itself.
// With --dotenv the settings in the file .env are read too; the environment wins.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, utimesSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const pinnedNode = join(root, 'node_modules', 'node', 'bin');
// Both are written last by the tool that makes the rest, so their age is that of the whole.
const installed = join(root, 'node_modules', '.package-lock.json');
const built = join(root, 'dist', '.tsbuildinfo');
// Made by the same `npm run build`, before it; a build by hand of the services alone leaves it out.
const consolePage = join(root, 'dist', 'apps', 'console', 'index.html');
const SOURCES = ['apps', 'libs', 'tools', 'bench', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'nest-cli.json'];

// While what is missing is built, it may be gone.
const parent = process.ppid;

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
  // Also with NODE_ENV=production, which leaves out what the build needs.
  runOrExit('npm', ['ci', '--include=dev', '--loglevel=error', '--no-progress']);
}

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), stat.mtimeMs);
}

function ensureBuilt(env) {
  const sources = Math.max(...SOURCES.map((source) => newest(join(root, source))));
  if (existsSync(consolePage) && existsSync(built) && statSync(built).mtimeMs >= sources) return;
  say('Building ...');
  runOrExit('npm', ['run', '--silent', 'build'], env);
  // The compiler leaves the file alone when the output would be the same.
  utimesSync(built, new Date(), new Date());
}

function ensureConsoleBuilt(env) {
  if (existsSync(consolePage)) return;
  say('Building the console ...');
  runOrExit('vite', ['build', '--config', 'apps/console/vite.config.ts'], env);
}

function readDotenv() {
  const file = join(root, '.env');
  if (!existsSync(file)) return;
  try {
    process.loadEnvFile(file);
  } catch (error) {
    say(`.env cannot be read: ${error.message}`);
    process.exit(1);
  }
  say('Settings are read from .env, too; the environment wins.');
}

/** Has the child end, in order, when this process is killed: a small shell waits for the end of its input, which comes with our end. */
function endWithUs(child) {
  const watch = spawn('/bin/sh', ['-c', 'read -r _; kill -TERM "$1"', 'sh', String(child.pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watch.on('error', () => {});
  child.on('exit', () => watch.kill('SIGKILL'));
}

/**
 * npm tells us of SIGTERM and SIGINT; when it is killed, or its terminal is closed, it is simply gone. Its scripts begin with `exec`
 * where this matters, so that our parent is npm and no shell in between.
 */
function hangUpAfterNpm(child) {
  if (process.env.npm_lifecycle_event === undefined) return;
  setInterval(() => {
    if (process.ppid !== parent) child.kill('SIGHUP'); // passed over by what runs under nohup
  }, 500).unref();
}

const args = process.argv.slice(2);
const flags = new Set();
while (args[0]?.startsWith('--')) flags.add(args.shift());

ensureInstalled();
const path = [pinnedNode, join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
const buildEnv = { ...process.env, PATH: path };
if (flags.has('--build-console')) ensureConsoleBuilt(buildEnv);
else if (!flags.has('--no-build')) ensureBuilt(buildEnv);
if (flags.has('--dotenv')) readDotenv();

const [command, ...rest] = args;
const child = spawn(command, rest, { cwd: root, stdio: 'inherit', env: { ...process.env, PATH: path } });
// A terminal sends Ctrl-C to the whole group; a plain `kill` reaches us alone and is passed on.
process.on('SIGINT', () => {
  if (!process.stdin.isTTY) child.kill('SIGINT');
});
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  say(`${command}: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code) => process.exit(code ?? 1));
endWithUs(child);
hangUpAfterNpm(child);
