import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { NO_PROMETHEUS, promtool } from '../support/prometheus.js';
import { ALERT_CASES, type AlertCase } from './alert-cases.js';
import { OBSERVABILITY, readAlerts, readRunbooks } from './observability-files.js';

const RULES = join(OBSERVABILITY, 'alerts.yaml');

describe('the alerts', () => {
  it('are 12 to 15, each with a severity, words, and a section of the runbooks, in the same order', async () => {
    const alerts = await readAlerts();
    expect(alerts.length).toBeGreaterThanOrEqual(12);
    expect(alerts.length).toBeLessThanOrEqual(15);
    for (const { alert, labels, annotations } of alerts) {
      expect(labels['severity'], alert).toMatch(/^(critical|warning)$/);
      expect(Object.keys(annotations), alert).toEqual(['summary', 'description', 'runbook_url']);
      expect(annotations['runbook_url']).toBe(`docs/runbooks.md#${alert.toLowerCase()}`);
    }
    expect(await readRunbooks()).toEqual(alerts.map(({ alert }) => alert));
    expect(Object.keys(ALERT_CASES)).toEqual(alerts.map(({ alert }) => alert));
  });

  describe.skipIf(NO_PROMETHEUS !== false)('by promtool', () => {
    it('are rules', async () => {
      expect(await promtool('check', 'rules', RULES)).toMatchObject({ code: 0 });
    });

    it.each(Object.entries(ALERT_CASES))('%s fires, and nothing else does, and is quiet in a like world', async (alert, one) => {
      expect(await testRules(alert, one)).toMatchObject({ code: 0, output: expect.stringContaining('SUCCESS') as unknown });
    });
  });
});

async function testRules(alert: string, { fires, isQuiet }: AlertCase): Promise<{ code: number; output: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'rollcall-alerts-'));
  try {
    const file = join(directory, 'tests.yaml');
    await writeFile(
      file,
      stringify({
        rule_files: [RULES],
        evaluation_interval: '1m',
        tests: [
          worldOf(fires, [{ labels: `{alertname="${alert}"}`, value: 1 }]),
          worldOf(isQuiet, []), //
        ],
      }),
    );
    return await promtool('test', 'rules', file);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A world, and the alerts that fire in it after an hour. */
function worldOf(series: Readonly<Record<string, string>>, firing: readonly { labels: string; value: number }[]) {
  return {
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [
      { expr: 'count by (alertname) (ALERTS{alertstate="firing"})', eval_time: '59m', exp_samples: firing }, //
    ],
  };
}
