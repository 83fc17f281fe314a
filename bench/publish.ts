import { readFile, writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import type { RunOfItsOwn } from './command-line.js';
import { describe, type Results } from './report.js';

const README = 'bench/README.md';

/** What is published: of a run of all rows, of one of its own, or of `npm run bench:isolation`. */
export type Publication = 'results' | RunOfItsOwn | 'isolation';

/** Writes a run to `bench/<name>.json`, and its tables between its marks in bench/README.md. */
export async function publish(name: Publication, results: Results): Promise<void> {
  await writeFile(`bench/${name}.json`, `${JSON.stringify(results, null, 2)}\n`);
  await publishText(name, describe(results));
}

/** Writes Markdown between a publication's marks in bench/README.md. */
export async function publishText(name: Publication, content: string): Promise<void> {
  const text = replaceBetweenMarks(await readFile(README, 'utf8'), name, content);
  await writeFile(README, await format(text, { ...(await resolveConfig(README)), filepath: README }));
}

/** @throws Error where the text lacks the marks */
export function replaceBetweenMarks(text: string, name: Publication, content: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${README} lacks the marks ${begin} and ${end}`);
  return `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`;
}
