import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';

const BUILT = join(process.cwd(), 'dist', 'apps', 'console');
const KB = 1024;
/** Of what is sent, compressed by gzip. */
const SHELL_LIMIT = 125 * KB;
const PAGE_LIMIT = 50 * KB;
const WHOLE_LIMIT = 260 * KB;
const CSS_LIMIT = 8 * KB;

interface Chunk {
  readonly file: string;
  readonly src?: string;
  readonly isEntry?: boolean;
  readonly imports?: readonly string[];
  readonly dynamicImports?: readonly string[];
  readonly css?: readonly string[];
}

/** What the build wrote, and what each part of it brings along. */
class Build {
  private readonly sizes = new Map<string, number>();

  private constructor(readonly chunks: Readonly<Record<string, Chunk>>) {}

  static async read(): Promise<Build> {
    const build = new Build(JSON.parse(await readFile(join(BUILT, '.vite', 'manifest.json'), 'utf8')) as Record<string, Chunk>);
    for (const { file, css = [] } of Object.values(build.chunks)) {
      for (const name of [file, ...css]) build.sizes.set(name, gzipSync(await readFile(join(BUILT, name))).length);
    }
    return build;
  }

  /** The files that a part needs before it can be shown. @param lazily whether also what it fetches once it is shown */
  filesOf(key: string, lazily = false): Set<string> {
    const files = new Set<string>();
    const seen = new Set<string>();
    const visit = (one: string): void => {
      if (seen.has(one)) return;
      seen.add(one);
      const { file, css = [], imports = [], dynamicImports = [] } = this.chunks[one]!;
      for (const name of [file, ...css]) files.add(name);
      for (const next of imports) visit(next);
      if (lazily) for (const next of dynamicImports) if (!next.includes('src/pages/')) visit(next);
    };
    visit(key);
    return files;
  }

  sizeOf(files: Iterable<string>): number {
    return [...files].reduce((sum, name) => sum + (this.sizes.get(name) ?? 0), 0);
  }
}

describe('the size of the console', async () => {
  const build = await Build.read();
  const entry = Object.keys(build.chunks).find((key) => build.chunks[key]?.isEntry) ?? '';
  const shell = build.filesOf(entry);
  const pages = Object.keys(build.chunks).filter((key) => key.startsWith('src/pages/'));

  it('has a page for each address', () => {
    expect(pages.length).toBeGreaterThanOrEqual(8);
  });

  it('is at most 125 KB for what every page needs', () => {
    expect(build.sizeOf(shell)).toBeLessThanOrEqual(SHELL_LIMIT);
  });

  it.each(pages)('is at most 50 KB more for %s', (page) => {
    expect(build.sizeOf([...build.filesOf(page, true)].filter((name) => !shell.has(name)))).toBeLessThanOrEqual(PAGE_LIMIT);
  });

  it('is at most 260 KB in all, 8 of them CSS', () => {
    const all = Object.keys(build.chunks).flatMap((key) => [...build.filesOf(key)]);
    expect(build.sizeOf(new Set(all))).toBeLessThanOrEqual(WHOLE_LIMIT);
    expect(build.sizeOf(new Set(all.filter((name) => name.endsWith('.css'))))).toBeLessThanOrEqual(CSS_LIMIT);
  });
});
