import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endWithUs } from '#runtime';
import { eventually } from '../support/poll.js';

const ROOT = process.cwd();
const LONG_MS = 120_000;

/** What starts a process of its own, as the all-in-one starts PostgreSQL, and needs it for its last work. */
const program = (version: string): string => `
import { spawn } from 'node:child_process';
const database = spawn('sleep', ['3600']);
database.on('exit', () => { console.log('database ended'); process.exit(3); });
process.once('SIGTERM', () => setTimeout(() => { console.log('services ended'); database.kill(); }, 300));
console.log('${version} started');
`;

describe('Nest’s watch', () => {
  let directory: string;
  let nest: ChildProcess;
  let output = '';

  const lines = (): string[] => output.split('\n').filter((line) => /^[\w ]+ (started|ended)$/.test(line));

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rollcall watch '));
    const { exec } = JSON.parse(await readFile(join(ROOT, 'nest-cli.json'), 'utf8')) as { exec: string };
    const compilerOptions = {
      outDir: 'dist',
      rootDir: '.',
      target: 'es2022',
      module: 'nodenext',
      types: ['node'],
      skipLibCheck: true,
    };
    const files: Record<string, unknown> = {
      'package.json': { type: 'module' },
      'nest-cli.json': { sourceRoot: '.', entryFile: 'main', exec: join(ROOT, exec) },
      'tsconfig.json': { compilerOptions, files: ['main.ts'] },
    };
    for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), JSON.stringify(content));
    await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  });

  afterEach(async () => {
    if (nest.exitCode === null && nest.kill()) await once(nest, 'exit');
    await rm(directory, { recursive: true, force: true });
  });

  it('starts what was changed, once it has ended in order, and ends with it', async () => {
    const main = join(directory, 'main.ts');
    await writeFile(main, program('first'));
    const PATH = [dirname(process.execPath), process.env['PATH']].join(delimiter);
    // As `npm run dev` does it.
    nest = spawn(process.execPath, [join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js'), 'start', '--watch', '--no-shell'], {
      cwd: directory,
      env: { ...process.env, PATH },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    endWithUs(nest);
    nest.stdout!.setEncoding('utf8').on('data', (text) => (output += text));
    await eventually('the first', () => lines().includes('first started'), LONG_MS);
    await writeFile(main, program('second'));
    await eventually('the second', () => lines().includes('second started'), LONG_MS);
    nest.kill();
    const [code] = (await once(nest, 'exit')) as [number];
    const inOrder = ['services ended', 'database ended'];
    expect(lines()).toEqual(['first started', ...inOrder, 'second started', ...inOrder]);
    expect(code).toBe(3);
  });
}, 300_000);
