import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

type Manifest = Readonly<Record<'dependencies' | 'optionalDependencies' | 'devDependencies', Readonly<Record<string, string>>>>;

it('each dependency stands on docs/dependencies.md with why it is there, and none that is not one', async () => {
  const { dependencies, optionalDependencies, devDependencies } = JSON.parse(await readFile('package.json', 'utf8')) as Manifest;
  const rows = [...(await readFile('docs/dependencies.md', 'utf8')).matchAll(/^\| `([^`]+)` *\| ([^|]*?) *\|$/gm)];
  const names = Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies });
  expect(rows.map(([, name]) => name).toSorted()).toEqual(names.toSorted());
  expect(rows.filter(([, , why]) => !why).map(([, name]) => name)).toEqual([]);
});
