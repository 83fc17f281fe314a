import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { AllInOne } from '../support/all-in-one.js';
import { CHART } from './chart.js';

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
}

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

let service: AllInOne;
let names: Set<string>;

beforeAll(async () => {
  service = await AllInOne.start();
  const pages = await Promise.all(service.serviceUrls.map(async (url) => (await fetch(`${url}/metrics`)).text()));
  names = new Set(
    pages.flatMap((page) => [...page.matchAll(/^# TYPE (\w+) (\w+)/gm)].flatMap(([, name, type]) => seriesOf(name!, type!))),
  );
});
afterAll(() => service?.remove());

it('alerts on metrics that the services have', async () => {
  const { groups } = parse(await readFile(join(CHART, 'files', 'alerts.yaml'), 'utf8')) as Rules;
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(0);
  for (const { alert, expr } of rules) {
    expect(metricsIn(expr), alert).not.toEqual([]);
    for (const name of metricsIn(expr)) expect(names, alert).toContain(name);
  }
});

it('shows metrics that the services have', async () => {
  const { panels } = JSON.parse(await readFile(join(CHART, 'files', 'dashboard.json'), 'utf8')) as Dashboard;
  expect(panels.length).toBeGreaterThan(0);
  for (const { title, targets } of panels) {
    for (const { expr } of targets) {
      expect(metricsIn(expr), title).not.toEqual([]);
      for (const name of metricsIn(expr)) expect(names, title).toContain(name);
    }
  }
});

function seriesOf(name: string, type: string): string[] {
  return type === 'histogram' ? ['_bucket', '_count', '_sum'].map((part) => `${name}${part}`) : [name];
}

/** Names of our metrics in an expression of Prometheus; labels are none of them. */
function metricsIn(expression: string): string[] {
  return expression.match(/\b(rollcall|http)_\w+/g) ?? [];
}
