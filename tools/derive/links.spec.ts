import { glob, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';

const PAGES = ['*.md', '{bench,deploy,docs,packages,test}/**/*.md'];

/** Links into the repository. */
function linksOf(markdown: string): string[] {
  return [...markdown.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!).filter((link) => !/^[a-z]+:/.test(link));
}

/** What stands after `#` in links to a page's headings. */
function anchorsOf(markdown: string): string[] {
  const headings = markdown.replaceAll(/^```.*?^```/gms, '').matchAll(/^#+ (.*)$/gm);
  return Array.from(headings, ([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}

/** Tells whether a link leads to a file or folder, and to a heading of it where it names one. */
async function leadsSomewhere(page: string, link: string): Promise<boolean> {
  const [path, anchor] = decodeURIComponent(link).split('#');
  const target = path ? join(dirname(page), path) : page;
  const found = await stat(target).catch(() => undefined);
  if (!found || anchor === undefined || !target.endsWith('.md')) return found !== undefined;
  return anchorsOf(await readFile(target, 'utf8')).includes(anchor);
}

it('every link of a page leads to a file, and to a heading that is there', async () => {
  const dead: string[] = [];
  for await (const page of glob(PAGES)) {
    for (const link of linksOf(await readFile(page, 'utf8')))
      if (!(await leadsSomewhere(page, link))) dead.push(`${page}: ${link}`);
  }
  expect(dead).toEqual([]);
});

it('reads links and headings as they are written', () => {
  const text = '[a](b.md), [c](d/e.md#f), [g](#h), ![i](j.png), [k](https://example.org), [l](mailto:m@example.org)';
  expect(linksOf(text)).toEqual(['b.md', 'd/e.md#f', '#h', 'j.png']);
  expect(anchorsOf('# One, `two` – three\n\n```sh\n# no heading\n```\n## Four-five')).toEqual(['one-two--three', 'four-five']);
});
