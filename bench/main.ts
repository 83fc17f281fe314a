import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describeCircumstances, type Circumstances } from './circumstances.js';
import { CommandLineError, isRunOfItsOwn, parseCommandLine, RUNS, USAGE, type CommandLine } from './command-line.js';
import { allInOne, RUNS_OF_THEIR_OWN, threeServices, type Group } from './groups.js';
import { BuildError, buildOf, thisBuild } from './lab/build.js';
import { Lab } from './lab/lab.js';
import { BENCH_SETTINGS, type Target } from './lab/target.js';
import { publish } from './publish.js';
import { describe, summary } from './report.js';
import { measure, type Measured } from './row.js';

/**
 * `npm run bench`: what Rollcall makes of this machine and what it takes, each row beside its limit in the same run, on real
 * PostgreSQL and Kafka over loopback. Standard output gets the tables, standard error what is going on.
 */

let lab: Lab | undefined;

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function run({ rows: wanted, times, items, against, publish: publishes, results: file }: CommandLine): Promise<void> {
  const builds = [...(against === undefined ? [] : [await buildOf(against)]), await thisBuild()];
  const command = ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' ');
  const measured: Measured[] = [];
  let circumstances: Circumstances | undefined;

  const take = async <T extends Target>({ start, rows }: Group<T>): Promise<void> => {
    const chosen = rows.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
    if (chosen.length === 0) return;
    lab = await Lab.start(items);
    try {
      const targets: T[] = [];
      for (const build of builds) {
        tell(`Starting ${build.name} ...`);
        targets.push(await start(lab, build));
      }
      for (const row of chosen) {
        const result = await measure(row, lab, targets, times);
        measured.push(result);
        tell(summary(result));
      }
      const names = builds.map(({ name }) => name);
      circumstances ??= await describeCircumstances(targets[0]!.pool, { command, builds: names, times }, BENCH_SETTINGS);
    } finally {
      await lab.stop();
    }
  };
  await take(threeServices(items));
  await take(allInOne(items));
  for (const name of RUNS) {
    if (wanted.some((part) => part.startsWith(name))) await take(RUNS_OF_THEIR_OWN[name](items));
  }
  if (!circumstances) throw new CommandLineError(`no row's name contains ${wanted.join(' or ')}`);

  const results = { ...circumstances, rows: measured };
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(results, null, 2)}\n`);
  if (publishes) await publish(isRunOfItsOwn(wanted[0]) ? wanted[0] : 'results', results);
  process.stdout.write(`${describe(results)}\n`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void (lab?.stop() ?? Promise.resolve()).finally(() => process.exit(1)));
}
try {
  const line = parseCommandLine(process.argv.slice(2));
  if (line.help) process.stdout.write(USAGE);
  else await run(line);
} catch (error) {
  if (!(error instanceof CommandLineError || error instanceof BuildError)) throw error;
  tell(error.message);
  process.exitCode = 1;
}
