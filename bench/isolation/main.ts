import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { endWithUs } from '#runtime';
import { DnsServer } from '../../test/support/dns-server.js';
import { publishText } from '../publish.js';
import { table } from '../report.js';
import { Neighbour } from './neighbour.js';
import { NOISES, type Noise } from './noises.js';
import { Town } from './town.js';
import { isKept, limitOf, type Latencies } from './verdict.js';

/**
 * What one client costs another: contract §7.5. A client is measured without and beside a noisy one, noise after noise:
 * `npm run bench:isolation -- [words of noises' names …] [--agents n] [--seconds n] [--publish]`. Ends with 1 where a verdict is no.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    agents: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '20' },
    publish: { type: 'boolean', default: false },
    names: { type: 'string' },
  },
});

if (values.publish && positionals.length > 0) throw new Error('--publish writes the whole table: leave out the names of noises');

/** Where a name server of ours listens, whose port cannot be said in a resolv.conf. */
const NAME_SERVER = '127.83.0.1';

interface Row {
  readonly noise: string;
  readonly without: Latencies;
  readonly beside: Latencies;
  readonly said: string;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const ms = (value: number): string => (Number.isFinite(value) ? `${value} ms` : 'never');

async function hear(town: Town, neighbour: Neighbour, noise: Noise): Promise<Row> {
  const seconds = Number(values.seconds);
  say(`${noise.name} …`);
  await noise.prepare(town, Number(values.agents));
  const without = await neighbour.measure(seconds);
  const stopping = new AbortController();
  const making = noise.make(town, stopping.signal);
  making.catch(() => undefined); // told below
  const beside = await neighbour.measure(seconds);
  stopping.abort();
  const done = async (): Promise<string> => {
    const words = await making;
    await noise.tidy(town);
    return words;
  };
  // What was measured is told also where the noisy client's own calls fail.
  const said = await done().catch((error: unknown) => `failed: ${String(error)}`);
  return { noise: noise.name, without, beside, said };
}

function tell({ noise, without, beside, said }: Row): void {
  const words = ({ p50, p99, changes, missing }: Latencies): string =>
    `p50 ${ms(p50)}  p99 ${ms(p99)}  (${changes - missing} of ${changes})`;
  say(noise);
  say(`  without  ${words(without)}`);
  say(`  beside   ${words(beside)}`);
  say(`  ${isKept(without, beside) ? 'yes' : 'NO'}: at most ${ms(limitOf(without))}${said && `; ${said}`}`);
}

/** The run in Markdown. */
function describe(rows: readonly Row[]): string {
  const { model } = cpus()[0]!;
  const words = ({ p50, p99, missing }: Latencies): string =>
    `${ms(p50)}, ${ms(p99)}${missing > 0 ? ` (${missing} missing)` : ''}`;
  const cells = rows.map(({ noise, without, beside, said }) => [
    noise,
    words(without),
    words(beside),
    ms(limitOf(without)),
    isKept(without, beside) ? 'yes' : 'no',
    said.startsWith('failed') ? 'failed' : 'done',
  ]);
  return [
    `${new Date().toISOString().slice(0, 10)}, ${values.seconds} s each, ${values.agents} agents. ${model}, ${cpus().length} cores.`,
    table(['noise', 'without: p50, p99', 'beside: p50, p99', 'at most', 'kept', 'calls of the noise'], cells),
  ].join('\n\n');
}

async function measure(noises: readonly Noise[]): Promise<boolean> {
  const names = values.names === undefined ? undefined : await DnsServer.start(values.names, 53);
  const town = await Town.start(names);
  const rows: Row[] = [];
  try {
    const neighbour = await Neighbour.settle(town);
    await neighbour.measure(Number(values.seconds)); // warms up
    for (const noise of noises) {
      const row = await hear(town, neighbour, noise);
      tell(row);
      rows.push(row);
    }
  } finally {
    await town.stop();
    await names?.stop();
  }
  if (values.publish) await publishText('isolation', describe(rows));
  return rows.every(({ without, beside, said }) => isKept(without, beside) && !said.startsWith('failed'));
}

/** This program once more, where the file that names the name servers is one of ours; nobody else sees it. */
async function measureWithNames(): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'rollcall-names-'));
  try {
    const file = join(directory, 'resolv.conf');
    await writeFile(file, `nameserver ${NAME_SERVER}\n`);
    const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
    const self = [process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2), '--names', NAME_SERVER];
    const child = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, file, ...self], {
      stdio: 'inherit',
    });
    endWithUs(child);
    const [code] = (await once(child, 'exit')) as [number | null];
    return code ?? 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const canMount = await promisify(execFile)('unshare', [
  '--mount',
  'mount',
  '--bind',
  '/etc/resolv.conf',
  '/etc/resolv.conf',
]).then(
  () => true,
  () => false,
);
if (values.names === undefined && canMount) {
  process.exitCode = await measureWithNames();
} else {
  const chosen = NOISES.filter(({ name }) => positionals.length === 0 || positionals.some((word) => name.includes(word)));
  const possible = chosen.filter(({ needsNames }) => !needsNames || values.names !== undefined);
  if (possible.length < chosen.length) say('Left out, since only root may say which name servers there are: names');
  process.exitCode = (await measure(possible)) ? 0 : 1;
}
