import { access, glob, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';

const PAGES = ['*.md', '{bench,deploy,docs,packages,test}/**/*.md'];

/** Links into the repository, without what follows a `#`. */
function linksOf(markdown: string): string[] {
  return [...markdown.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
    .map((match) => match[1]!)
    .filter((link) => !/^[a-z]+:/.test(link));
}

it('every link of a page leads to a file', async () => {
  const dead: string[] = [];
  for await (const page of glob(PAGES)) {
    for (const link of linksOf(await readFile(page, 'utf8')))
      await access(join(dirname(page), decodeURIComponent(link))).catch(() => dead.push(`${page}: ${link}`));
  }
  expect(dead).toEqual([]);
});

it('reads links as they are written', () => {
  const text = '[a](b.md), [c](d/e.md#f), [g](#h), ![i](j.png), [k](https://example.org), [l](mailto:m@example.org)';
  expect(linksOf(text)).toEqual(['b.md', 'd/e.md', 'j.png']);
});
