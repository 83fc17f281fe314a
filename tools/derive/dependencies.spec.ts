import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

it('docs/dependencies.md says why each dependency is there, and names no other', async () => {
  const page = await readFile('docs/dependencies.md', 'utf8');
  const rows = [...page.matchAll(/^\| `([^`]+)` *\| *(\S.*?) *\|$/gm)].map(([, name]) => name!);
  const { dependencies, devDependencies } = JSON.parse(await readFile('package.json', 'utf8')) as Manifest;
  expect(rows).toEqual([...Object.keys(dependencies), ...Object.keys(devDependencies)]);
});
