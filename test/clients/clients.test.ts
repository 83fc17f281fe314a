import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AllInOne } from '../support/all-in-one.js';
import { fetchToken } from '../support/client.js';
import { missing } from '../support/receiver-code.js';

/** The long form: what tools/install-clients.sh has put here. */
const TOOLS = join(process.cwd(), '.cache', 'clients');
const PROGRAMS = join(import.meta.dirname, 'programs');
const NPM = join(TOOLS, 'npm', 'node_modules');
const GENERATOR = join(TOOLS, 'openapi-generator-cli-7.14.0.jar');
const noGo =
  (existsSync(GENERATOR) ? false : 'openapi-generator is not there') || missing('go', 'version') || missing('java', '--version');

const runFile = promisify(execFile);

/** @returns what it printed. @throws Error with what it printed, where it fails */
async function run(directory: string, program: string, ...args: string[]): Promise<string> {
  const options = { cwd: directory, maxBuffer: 64 * 1024 * 1024, timeout: 600_000 };
  try {
    return (await runFile(program, args, options)).stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}\n${stderr}`, { cause: error });
  }
}

const node = (tool: string): [string, string] => [process.execPath, join(NPM, ...tool.split('/'))];
const python = (tool: string): string => join(TOOLS, 'python', 'bin', tool);
const document = (name: string): string => join(process.cwd(), 'docs', name);

describe.skipIf(process.env['CLIENTS'] !== 'long')('clients that others generate', { timeout: 900_000 }, () => {
  let system: AllInOne;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(TOOLS, 'run-'));
    system = await AllInOne.start({ RATE_LIMIT: 'off' });
  }, 120_000);

  afterAll(async () => {
    await system.remove();
    await rm(directory, { recursive: true, force: true });
  });

  it.each(['openapi.json', 'openapi-telemetry.json'])('start from %s without a warning of redocly', async (name) => {
    const rules = join(import.meta.dirname, 'redocly.yaml');
    const redocly = [...node('@redocly/cli/bin/cli.js'), 'lint', '--config', rules, '--format', 'json'] as const;
    expect(JSON.parse(await run(directory, ...redocly, document(name)))).toMatchObject({ problems: [] });
  });

  it('start from documents without a warning of spectral', async () => {
    const rules = join(import.meta.dirname, 'spectral.yaml');
    const files = ['openapi.json', 'openapi-telemetry.json', 'asyncapi.json'].map(document);
    const spectral = [...node('@stoplight/spectral-cli/dist/index.js'), 'lint', '-r', rules, '-f', 'json', '-q'] as const;
    expect(JSON.parse(await run(directory, ...spectral, '--fail-severity', 'hint', ...files))).toEqual([]);
  });

  const DONE = { listed: true, changed: 'POST', used: 1, removed: 204, gone: 'event_not_found' };

  it('do the main job in TypeScript', async () => {
    const place = join(directory, 'typescript');
    await mkdir(place);
    await symlink(NPM, join(place, 'node_modules'));
    await writeFile(join(place, 'package.json'), '{"private":true,"type":"module"}');
    await cp(join(PROGRAMS, 'main-job.ts.txt'), join(place, 'main-job.ts'));
    await run(place, ...node('openapi-typescript/bin/cli.js'), document('openapi.json'), '-o', 'schema.d.ts');
    const strict = ['--strict', '--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes', '--skipLibCheck'];
    const modern = [
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--types',
      'node',
      '--typeRoots',
      join(process.cwd(), 'node_modules/@types'),
    ];
    await run(place, ...node('typescript/bin/tsc'), ...strict, ...modern, 'main-job.ts');
    const said = JSON.parse(await run(place, process.execPath, 'main-job.js', system.urls.subscriptionApi)) as unknown;
    expect(said).toEqual({ ...DONE, agent: 136 });
  });

  it('do the main job in Python', async () => {
    const place = join(directory, 'python');
    await mkdir(place);
    await cp(join(PROGRAMS, 'main_job.py'), join(place, 'main_job.py'));
    const made = ['generate', '--path', document('openapi.json'), '--meta', 'none', '--output-path', 'rollcall_client'];
    // What it cannot make anything of is told as a warning, and left out. That ruff is missing is told, too.
    const told = await run(place, python('openapi-python-client'), ...made);
    expect(told).not.toMatch(/WARNING|Unable|Cannot/);
    await run(place, python('python'), '-m', 'compileall', '-q', 'rollcall_client');
    const said = JSON.parse(await run(place, python('python'), 'main_job.py', system.urls.subscriptionApi)) as unknown;
    expect(said).toEqual({ ...DONE, agent: 136 });
  });

  it.skipIf(noGo)(`do the main job in Go${noGo ? ` (${noGo})` : ''}`, async () => {
    const place = join(directory, 'go');
    await mkdir(place);
    const names = ['--git-user-id', 'client', '--git-repo-id', 'rollcall', '--git-host', 'example.org'];
    const properties = '--additional-properties=packageName=rollcall,withGoMod=false,enumClassPrefix=true';
    const made = ['generate', '-g', 'go', '-i', document('openapi.json'), '-o', 'rollcall', properties, ...names];
    await run(place, 'java', '-jar', GENERATOR, ...made);
    await rm(join(place, 'rollcall', 'test'), { recursive: true, force: true });
    await cp(join(PROGRAMS, 'main.go'), join(place, 'main.go'));
    await run(place, 'go', 'mod', 'init', 'example.org/client');
    await run(place, 'go', 'mod', 'tidy');
    await run(place, 'go', 'vet', '.');
    expect(JSON.parse(await run(place, 'go', 'run', '.', system.urls.subscriptionApi))).toEqual(DONE);
  });

  // Left out: that every request that fits the schema is accepted, and every other refused (an `until` before its `since`, an id that is not there).
  it.each(['demo', 'platform'])('find the REST API as it is described, with whatever schemathesis sends for %s', async (app) => {
    const token = await fetchToken(system.urls, app, `${app}-secret`);
    const checks = [
      ...['not_a_server_error', 'status_code_conformance', 'content_type_conformance', 'response_schema_conformance'],
      ...['response_headers_conformance', 'unsupported_method', 'ignored_auth', 'missing_required_header'],
    ];
    const bounds = ['--max-examples', '10', '--max-time', '180', '--seed', '7', '--exclude-path-regex', '/stream$|/application/'];
    await run(
      directory,
      ...[python('schemathesis'), 'run', `${system.urls.subscriptionApi}/api/openapi.json`, '--url', system.urls.subscriptionApi],
      ...['-H', `Authorization: Bearer ${token}`, '--checks', checks.join(','), ...bounds, '--no-color'],
    );
  });

  it('are generated from what the product serves', async () => {
    const served = (await (await fetch(`${system.serviceUrls[1]}/api/openapi.json`)).json()) as object;
    expect(served).toMatchObject(JSON.parse(await readFile(document('openapi-telemetry.json'), 'utf8')) as object);
  });
});
