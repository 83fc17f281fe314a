import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cruise, type ICruiseOptions, type ICruiseResult, type IForbiddenRuleType } from 'dependency-cruiser';
import { ESLint } from 'eslint';
import { afterEach, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');

interface Configuration {
  readonly forbidden: IForbiddenRuleType[];
  readonly options: ICruiseOptions;
}

/** One rule, and a tree of files that breaks it. */
const VIOLATIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'no-cycle': { 'libs/bus/src/a.ts': `import './b.js';`, 'libs/bus/src/b.ts': `import './a.js';` },
  'no-app-to-app': { 'apps/presence/src/a.ts': `import '../../dispatcher/src/start.js';`, 'apps/dispatcher/src/start.ts': '' },
  'console-stands-alone': { 'apps/console/src/a.ts': `import '../../../libs/bus/src/a.js';`, 'libs/bus/src/a.ts': '' },
  'all-in-one-imports-start-only': {
    'apps/all-in-one/src/start.ts': `import '../../dispatcher/src/engine.js';`,
    'apps/dispatcher/src/engine.ts': '',
  },
  'no-lib-to-app': { 'libs/http/src/a.ts': `import '../../../apps/presence/src/a.js';`, 'apps/presence/src/a.ts': '' },
  'contracts-import-schema-libraries-only': { 'libs/contracts/src/a.ts': `import 'rxjs';` },
  'libs-by-their-index': { 'apps/presence/src/a.ts': `import '../../../libs/bus/src/kafka.js';`, 'libs/bus/src/kafka.ts': '' },
  'features-by-their-module': {
    'apps/subscription-api/src/notices/notices.ts': `import '../deliveries/deliveries.repository.js';`,
    'apps/subscription-api/src/deliveries/deliveries.repository.ts': '',
  },
  'kafkajs-in-bus': { 'apps/presence/src/telemetry.consumer.ts': `import 'kafkajs';` },
  'sql-in-repositories': { 'apps/presence/src/telemetry.service.ts': `import 'pg';` },
  'http-client-in-webhook-client': { 'apps/dispatcher/src/engine.ts': `import 'undici';` },
  'opentelemetry-in-tracing': { 'apps/presence/src/a.ts': `import '@opentelemetry/api';` },
  'no-missing-dependency': { 'apps/presence/src/a.ts': `import 'fast-check';` },
  'no-unresolvable': { 'apps/presence/src/a.ts': `import './nowhere.js';` },
};

describe('boundaries', () => {
  const directories: string[] = [];

  afterEach(async () => {
    for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
  });

  async function broken(files: Readonly<Record<string, string>>): Promise<string[]> {
    const directory = await mkdtemp(join(tmpdir(), 'rollcall-boundaries-'));
    directories.push(directory);
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), `${content}\nexport {};\n`);
    }
    for (const shared of ['node_modules', 'package.json', 'tsconfig.json'])
      await symlink(join(ROOT, shared), join(directory, shared));
    const { default: config } = (await import(join(ROOT, '.dependency-cruiser.mjs'))) as { default: Configuration };
    const { output } = await cruise(
      Object.keys(files),
      { ...config.options, baseDir: directory, ruleSet: { forbidden: config.forbidden }, validate: true },
      { ...config.options.enhancedResolveOptions },
    );
    return (output as ICruiseResult).summary.violations.map((violation) => violation.rule.name);
  }

  it.each(Object.entries(VIOLATIONS))('%s is seen when it is broken', async (rule, files) => {
    expect(await broken(files)).toContain(rule);
  });

  it('lets the repository of a service use SQL', async () => {
    expect(await broken({ 'apps/presence/src/presence.repository.ts': `import 'pg';` })).toEqual([]);
  });

  it('lets a feature use what another exports, and what is shared', async () => {
    const files = {
      'apps/subscription-api/src/notices/notices.ts': `import '../deliveries/deliveries.module.js';\nimport '../http/paging.js';`,
      'apps/subscription-api/src/deliveries/deliveries.module.ts': `import './deliveries.repository.js';`,
      'apps/subscription-api/src/deliveries/deliveries.repository.ts': '',
      'apps/subscription-api/src/http/paging.ts': '',
    };
    expect(await broken(files)).toEqual([]);
  });

  it('has a planted violation for every rule', async () => {
    const { default: config } = (await import(join(ROOT, '.dependency-cruiser.mjs'))) as { default: Configuration };
    expect(Object.keys(VIOLATIONS).sort()).toEqual(config.forbidden.map((rule) => rule.name).sort());
  });

  /** The rules that a text would break in a file of this tree, each with its line. */
  async function lint(path: string, lines: readonly string[]): Promise<[line: number, rule: string | null][]> {
    const eslint = new ESLint({ cwd: ROOT });
    const [result] = await eslint.lintText(`${lines.join('\n')}\n`, { filePath: join(ROOT, path) });
    return result!.messages.map(({ line, ruleId }) => [line, ruleId]);
  }

  it('sees process.env outside the settings', async () => {
    const broken = await lint('apps/presence/src/start.ts', [`export const port = process.env['PORT'];`]);
    expect(broken).toContainEqual([1, 'no-restricted-properties']);
  }, 180_000); // the linter reads all types first

  it('sees SQL outside repositories', async () => {
    const lines = [
      'export const sql = (column: string): string[] => [',
      '  `select * from presence.agent`,',
      `  'update presence.agent set name = $1',`,
      '  `\\n  with old as (delete from dispatch.behind returning 1) table old`,',
      '  `${column}\\n  left join lateral (table old) s on true`,',
      '  `json_agg(${column})`,',
      `  'Select an agent, or update one; with an array as it is.',`,
      '];',
    ];
    const broken = await lint('apps/presence/src/start.ts', lines);
    expect(broken.filter(([, rule]) => rule === 'no-restricted-syntax').map(([line]) => line)).toEqual([2, 3, 4, 5, 6]);
    expect(await lint('apps/presence/src/log/presence.repository.ts', lines)).toEqual([]);
  }, 180_000);
});
