import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { endWithUs } from '#runtime';
import { eventually } from './poll.js';
import { freePorts } from './process.js';

/** Prometheus and its promtool on this machine; undefined: there are none. */
export const PROMETHEUS = findTool('prometheus');
export const PROMTOOL = findTool('promtool');

/** Why a suite that needs them is skipped; `false` where it is not. */
export const NO_PROMETHEUS: string | false =
  (PROMETHEUS === undefined || PROMTOOL === undefined) &&
  'there is no Prometheus on this machine (tools/install-prometheus.sh fetches Debian’s)';

if (NO_PROMETHEUS !== false && process.env['REQUIRE_PROMETHEUS'] === '1') {
  throw new Error(`REQUIRE_PROMETHEUS is set, and ${NO_PROMETHEUS}`);
}

/** Runs promtool. @returns what it says, whether it succeeds or not */
export async function promtool(...args: string[]): Promise<{ readonly code: number; readonly output: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(PROMTOOL!, args);
    return { code: 0, output: `${stdout}${stderr}` };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: `${stdout}${stderr}` };
  }
}

/** In the path, or where tools/install-prometheus.sh puts it. */
function findTool(name: string): string | undefined {
  const own = join(import.meta.dirname, '..', '..', '.cache', 'prometheus', 'usr', 'bin');
  const directories = [own, ...(process.env['PATH'] ?? '').split(delimiter)];
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
}

/** What Prometheus says of an alert that fires. */
export interface FiringAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A Prometheus that looks at services every second. */
export class PrometheusServer {
  private constructor(
    private readonly url: string,
    private readonly child: ChildProcess,
    private readonly directory: string,
  ) {}

  /** @param targets by job @param rules a file of rules */
  static async start(targets: Readonly<Record<string, readonly string[]>>, rules: object): Promise<PrometheusServer> {
    const directory = await mkdtemp(join(tmpdir(), 'rollcall-prometheus-'));
    const [port] = await freePorts(1);
    const jobs = Object.entries(targets).map(([job, urls]) => ({
      job_name: job,
      static_configs: [{ targets: urls.map((url) => new URL(url).host) }],
    }));
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: [join(directory, 'rules.yaml')],
      scrape_configs: jobs,
    };
    await writeFile(join(directory, 'rules.yaml'), stringify(rules));
    await writeFile(join(directory, 'prometheus.yaml'), stringify(config));
    const child = spawn(
      PROMETHEUS!,
      [
        `--config.file=${join(directory, 'prometheus.yaml')}`,
        `--storage.tsdb.path=${join(directory, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=error',
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    endWithUs(child);
    const server = new PrometheusServer(`http://127.0.0.1:${port}`, child, directory);
    // Of what it has not seen before it happens it knows no increase.
    const isWatching = async () => (await server.count('count_over_time(up[5m]) >= 3')) === Object.values(targets).flat().length;
    await eventually('Prometheus watching', isWatching, 60_000);
    return server;
  }

  /** Lists the alerts that fire now. */
  async firing(): Promise<FiringAlert[]> {
    const response = await fetch(`${this.url}/api/v1/alerts`);
    const { data } = (await response.json()) as { data: { alerts: (FiringAlert & { readonly state: string })[] } };
    return data.alerts.filter(({ state }) => state === 'firing');
  }

  /** Of how many series an expression is true. */
  private async count(expression: string): Promise<number> {
    const response = await fetch(`${this.url}/api/v1/query?${new URLSearchParams({ query: expression }).toString()}`);
    const { data } = (await response.json()) as { data: { result: unknown[] } };
    return data.result.length;
  }

  async stop(): Promise<void> {
    const exited = once(this.child, 'exit');
    this.child.kill();
    await exited;
    await rm(this.directory, { recursive: true, force: true });
  }
}
