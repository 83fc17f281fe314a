import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The arguments of node that migrate a database with what was built in a tree; older ones have a program of its own for it. */
export function migrateCommandOf(root: string): string[] {
  const cli = join(root, 'dist', 'apps', 'cli', 'main.js');
  return existsSync(cli) ? [cli, 'migrate'] : [join(root, 'dist', 'apps', 'migrate', 'main.js')];
}
