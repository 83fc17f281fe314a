import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';

const ROOT = join(import.meta.dirname, '..', '..');
/** Where alerts and dashboard stand. */
export const OBSERVABILITY = join(ROOT, 'deploy', 'observability');

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string }[];
  }[];
}

/** Reads the alert rules, in the order of the file. */
export async function readAlerts(): Promise<AlertRule[]> {
  const text = await readFile(join(OBSERVABILITY, 'alerts.yaml'), 'utf8');
  const { groups } = parse(text) as { groups: readonly { readonly rules: readonly AlertRule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

/** Reads what the panels of the dashboard ask, with what Grafana puts in place of its variables. */
export async function readQueries(): Promise<{ title: string; expr: string }[]> {
  const { panels } = JSON.parse(await readFile(join(OBSERVABILITY, 'dashboard.json'), 'utf8')) as Dashboard;
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ title, expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$namespace', '.*') })),
  );
}

/** Reads the titles of the sections of the runbooks, one of each alert. */
export async function readRunbooks(): Promise<string[]> {
  const text = await readFile(join(ROOT, 'docs', 'runbooks.md'), 'utf8');
  return [...text.matchAll(/^## (.+)$/gm)].map(([, title]) => title!);
}
