import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

interface Manifest {
  readonly version: string;
  readonly engines: { readonly node: string };
}

/** package.json, found upwards from here: the same from the sources and from `dist`. */
function readManifest(): { readonly manifest: Manifest; readonly root: URL } {
  for (let directory = new URL('.', import.meta.url); ; directory = new URL('..', directory)) {
    try {
      const manifest = JSON.parse(readFileSync(new URL('package.json', directory), 'utf8')) as Manifest & {
        readonly name?: string;
      };
      if (manifest.name === 'rollcall') return { manifest, root: directory };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    if (directory.pathname === '/') throw new Error('package.json of rollcall not found');
  }
}

const { manifest, root } = readManifest();

/** The directory of package.json, with `dist` in it. */
export const ROOT_DIRECTORY = fileURLToPath(root);

/** Rollcall's version. */
export const VERSION = manifest.version;

/** The Node.js that Rollcall is made for, such as `>=22.19.0`. */
export const NODE_NEEDED = manifest.engines.node;

/** Tells whether a version of Node.js is older than {@link NODE_NEEDED}. @param node such as `20.20.2` */
export function isNodeTooOld(node: string): boolean {
  const [major = 0, minor = 0] = numbersOf(node);
  const [neededMajor = 0, neededMinor = 0] = numbersOf(NODE_NEEDED);
  return major < neededMajor || (major === neededMajor && minor < neededMinor);
}

function numbersOf(version: string): number[] {
  return (version.match(/\d+/g) ?? []).map(Number);
}

/** The command line's parts, by npm and, in the image, which has no npm, by Node.js. */
const COMMANDS = {
  migrate: { npm: 'npm run migrate', node: 'node dist/apps/cli/main.js migrate' },
  applications: { npm: 'npm run app --', node: 'node dist/apps/cli/main.js applications' },
} as const;

/** Says how a person runs a command here. */
export function howToRun(command: keyof typeof COMMANDS): string {
  return COMMANDS[command][existsSync(new URL('tools/run.mjs', root)) ? 'npm' : 'node'];
}
