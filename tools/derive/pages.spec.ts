import { access, glob, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';

const PATH = /(?<![\w./-])(?:apps|bench|deploy|docs|libs|packages|test|tools)\/[\w./-]*\w/g;
const CODE_SPAN = /`([^`\n]+)`/g;
const TYPE = /^[A-Z][a-z]\w+$/;
const DATABASE_OBJECT = /^(?:access|dispatch|presence|subscription)\.[a-z_]+$/;

/** Lists the paths, type names, and tables or functions that a page names; each once. Pure. */
function namesOn(page: string): { paths: string[]; types: string[]; databaseObjects: string[] } {
  const spans = [...page.matchAll(CODE_SPAN)].map((match) => match[1]!);
  const unique = (names: Iterable<string>): string[] => [...new Set(names)];
  return {
    paths: unique([...page.matchAll(PATH)].map(([path]) => path)),
    types: unique(spans.filter((span) => TYPE.test(span))),
    databaseObjects: unique(spans.filter((span) => DATABASE_OBJECT.test(span))),
  };
}

/** Reads all production code as one text. */
async function code(): Promise<string> {
  const texts: string[] = [];
  for await (const file of glob('{apps,libs}/**/*.ts', { exclude: ['**/node_modules'] })) {
    if (!/\.(?:spec|test)\.ts$/.test(file)) texts.push(await readFile(file, 'utf8'));
  }
  return texts.join('\n');
}

it.each(['ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md'])('%s names only files and folders that exist', async (page) => {
  const { paths } = namesOn(await readFile(page, 'utf8'));
  const missing: string[] = [];
  for (const path of paths) await access(path).catch(() => missing.push(path));
  expect(paths.length).toBeGreaterThan(10);
  expect(missing).toEqual([]);
});

describe('ARCHITECTURE.md', async () => {
  const { types, databaseObjects } = namesOn(await readFile('ARCHITECTURE.md', 'utf8'));

  it('names only types that the code exports', async () => {
    const source = await code();
    const isExported = (name: string): boolean =>
      new RegExp(`export (?:abstract )?(?:class|interface|type) ${name}\\b`).test(source);
    expect(types.length).toBeGreaterThan(10);
    expect(types.filter((name) => !isExported(name))).toEqual([]);
  });

  it('names only tables and functions that the database has', async () => {
    const schema = await readFile('docs/schema.md', 'utf8');
    const exists = (name: string): boolean => schema.includes(`## ${name}\n`) || schema.includes(`- \`${name}(`);
    expect(databaseObjects.length).toBeGreaterThan(20);
    expect(databaseObjects.filter((name) => !exists(name))).toEqual([]);
  });
});

it('reads names as a page writes them', () => {
  const page =
    'In `libs/bus` and apps/cli, `Delivery` is a row of `dispatch.attempt`; `SHUTDOWN_DELAY` is no type. dist/apps/x, docs/a.md.';
  expect(namesOn(page)).toEqual({
    paths: ['libs/bus', 'apps/cli', 'docs/a.md'],
    types: ['Delivery'],
    databaseObjects: ['dispatch.attempt'],
  });
});
