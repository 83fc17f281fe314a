import { readFileSync } from 'node:fs';

/** The version in package.json, found upwards from here: the same from the sources and from `dist`. */
function readVersion(): string {
  for (let directory = new URL('.', import.meta.url); ; directory = new URL('..', directory)) {
    try {
      const manifest = JSON.parse(readFileSync(new URL('package.json', directory), 'utf8')) as {
        name?: string;
        version?: string;
      };
      if (manifest.name === 'rollcall' && manifest.version) return manifest.version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    if (directory.pathname === '/') throw new Error('package.json of rollcall not found');
  }
}

export const VERSION = readVersion();
