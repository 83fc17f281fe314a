import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';

const FOLDERS = ['apps', 'libs', 'test', 'tools', 'bench', 'docs', 'packages', 'deploy', '.'];
const EXTENSIONS = new Set(['.ts', '.tsx', '.mts', '.mjs', '.md', '.yaml']);
/** One section or several: `§6 and §7.5`, `"Words", §3, §4 and §6`, `§1 to §3`. */
const CITATION = /contract (?:"[^"]+", )?(§\d+(?:\.\d+)*(?:(?:,| and|, and| to) §\d+(?:\.\d+)*)*)/gi;
const SECTION = /§(\d+(?:\.\d+)*)/g;

/** A place that cites a section which the contract does not have. */
export interface DeadCitation {
  readonly section: string;
  /** Line, from 1. */
  readonly line: number;
}

/** Finds the numbers of the sections of a contract: `## 7. …` is 7, and the third item of a numbered list in it 7.3. Pure. */
export function sectionsOf(contract: string): Set<string> {
  const sections = new Set<string>();
  let chapter = '';
  for (const line of contract.split('\n')) {
    const heading = /^## (\d+)\. /.exec(line);
    if (heading) sections.add((chapter = heading[1]!));
    const item = /^(\d+)\. /.exec(line);
    if (item && chapter !== '') sections.add(`${chapter}.${item[1]}`);
  }
  return sections;
}

/** Finds what a text cites as `contract §N`, alone or in a list, and the contract does not have. Pure. */
export function deadCitations(text: string, sections: ReadonlySet<string>): DeadCitation[] {
  return text.split('\n').flatMap((line, index) =>
    [...line.matchAll(CITATION)]
      .flatMap(([, cited]) => [...cited!.matchAll(SECTION)])
      .map(([, section]) => ({ section: section!, line: index + 1 }))
      .filter(({ section }) => !sections.has(section)),
  );
}

/** Looks for dead citations in all sources and pages below a root. @returns a line for people for each */
export async function findDeadCitations(root: string): Promise<string[]> {
  const sections = sectionsOf(await readFile(join(root, 'docs', 'contract.md'), 'utf8'));
  const found: string[] = [];
  for (const folder of FOLDERS) {
    const names = await readdir(join(root, folder), { recursive: folder !== '.' }).catch(() => [] as string[]);
    for (const name of names) {
      if (!EXTENSIONS.has(extname(name)) || /(^|\/)(node_modules|dist)\//.test(name)) continue;
      for (const { section, line } of deadCitations(await readFile(join(root, folder, name), 'utf8'), sections)) {
        found.push(`${join(folder, name)}:${line} cites contract §${section}, which docs/contract.md does not have`);
      }
    }
  }
  return found;
}
