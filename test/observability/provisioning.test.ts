import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { describeSettings } from '#runtime';
import { NO_PROMETHEUS, promtool } from '../support/prometheus.js';
import { OBSERVABILITY, readAlerts, readQueries } from './observability-files.js';

const ROOT = join(OBSERVABILITY, '..', '..');

interface Service {
  readonly profiles?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
}
interface Scrape {
  readonly job_name: string;
  readonly static_configs: readonly { readonly targets: readonly string[] }[];
}

const yaml = async <T>(...path: string[]): Promise<T> => parse(await readFile(join(...path), 'utf8'), { merge: true }) as T;
const services = async () => (await yaml<{ services: Record<string, Service> }>(ROOT, 'docker-compose.yml')).services;

/** Where files of the repository are in a container, by their place there. */
function mounted({ volumes = [] }: Service): Map<string, string> {
  const files = volumes.filter((volume) => volume.startsWith('./')).map((volume) => volume.split(':') as [string, string]);
  return new Map(files.map(([from, to]) => [to, join(ROOT, from)]));
}

/** There is no Docker and no Grafana here: what is held is that the files of the profile lead to each other, and where they say. */
describe('the profile monitoring of docker-compose.yml', () => {
  it('mounts files that are there, where their readers look for them', async () => {
    const { prometheus, grafana } = await services();
    for (const service of [prometheus!, grafana!]) {
      expect(service.profiles).toEqual(['monitoring']);
      for (const file of mounted(service).values()) expect(existsSync(file), file).toBe(true);
    }
    const { rule_files } = await yaml<{ rule_files: string[] }>(OBSERVABILITY, 'prometheus.yml');
    expect(rule_files.map((file) => mounted(prometheus!).get(file))).toEqual([join(OBSERVABILITY, 'alerts.yaml')]);

    const files = mounted(grafana!);
    const provisioned = [...files.keys()].filter((path) => path.startsWith('/etc/grafana/provisioning/'));
    expect(provisioned.map((path) => basename(dirname(path))).sort()).toEqual(['dashboards', 'datasources']);
    type Providers = { apiVersion: number; providers: { type: string; options: { path: string } }[] };
    const { apiVersion, providers } = await yaml<Providers>(OBSERVABILITY, 'grafana', 'dashboards.yaml');
    const home = grafana!.environment!['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH']!;
    expect([apiVersion, providers]).toEqual([1, [expect.objectContaining({ type: 'file', options: { path: dirname(home) } })]]);
    expect(files.get(home)).toBe(join(OBSERVABILITY, 'dashboard.json'));
  });

  it('scrapes each service where it listens, under the name that alerts and dashboard know it by', async () => {
    const all = await services();
    const { scrape_configs } = await yaml<{ scrape_configs: Scrape[] }>(OBSERVABILITY, 'prometheus.yml');
    const ports = new Map(describeSettings().map(({ name, description }) => [name, /Default (\d+)/.exec(description)?.[1]]));
    for (const { job_name, static_configs } of scrape_configs) {
      const port = ports.get(`${job_name.toUpperCase().replaceAll('-', '_')}_PORT`);
      expect(static_configs.flatMap(({ targets }) => targets)).toEqual([`${job_name}:${port}`]);
      expect(Object.keys(all)).toContain(job_name);
    }
    const jobs = new Set(scrape_configs.map(({ job_name }) => job_name));
    const asked = [...(await readAlerts()), ...(await readQueries())].flatMap(({ expr }) =>
      [...expr.matchAll(/job=~?"([^"]+)"/g)].flatMap(([, names]) => names!.split('|')),
    );
    for (const job of asked) expect(jobs).toContain(job);
  });

  it('gives Grafana the Prometheus beside it, of the kind that the dashboard asks for', async () => {
    type Sources = { apiVersion: number; datasources: { type: string; url: string; access: string; isDefault: boolean }[] };
    const { apiVersion, datasources } = await yaml<Sources>(OBSERVABILITY, 'grafana', 'datasources.yaml');
    expect([apiVersion, datasources]).toEqual([
      1,
      [expect.objectContaining({ type: 'prometheus', url: 'http://prometheus:9090', access: 'proxy', isDefault: true })],
    ]);
    expect(Object.keys(await services())).toContain('prometheus');
    type Panel = { id: number; type: string; datasource?: object; gridPos: { x: number; w: number } };
    type Board = {
      schemaVersion: number;
      panels: Panel[];
      templating: { list: { name: string; query: string; type: string }[] };
    };
    const { panels, templating, schemaVersion } = await yaml<Board>(OBSERVABILITY, 'dashboard.json');
    expect(schemaVersion).toBeGreaterThanOrEqual(36); // the first that names data sources by kind and uid
    expect(templating.list[0]).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' });
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const { type, datasource, gridPos } of panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      if (type !== 'row') expect(datasource).toEqual({ type: 'prometheus', uid: '${datasource}' });
    }
  });

  it.skipIf(NO_PROMETHEUS !== false)('has a configuration that Prometheus takes', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rollcall-prometheus-'));
    try {
      const text = await readFile(join(OBSERVABILITY, 'prometheus.yml'), 'utf8');
      const file = join(directory, 'prometheus.yml');
      await writeFile(file, text.replaceAll('/etc/prometheus/', `${OBSERVABILITY}/`));
      const { code, output } = await promtool('check', 'config', file);
      expect([code, output]).toEqual([0, expect.stringContaining('SUCCESS')]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
