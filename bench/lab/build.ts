import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Services that were built: `dist` and `node_modules` below a directory. */
export interface Build {
  /** For people: the commit, or that it is more than that. */
  readonly name: string;
  readonly root: string;
}

/** Why a build cannot be had. */
export class BuildError extends Error {
  override readonly name = 'BuildError';
}

/** @returns the build of the working tree, which npm has brought up to date */
export async function thisBuild(): Promise<Build> {
  const name = await git('describe', '--always', '--exclude=*', '--abbrev=7', '--dirty=+').catch(() => 'unknown'); // an image has no repository
  return { name, root: process.cwd() };
}

/**
 * Builds a commit in a git worktree of its own below `.cache/builds`, with the dependencies that it names. It is kept, so
 * that the next run finds it.
 *
 * @throws BuildError when there is no such commit, or when it does not build
 */
export async function buildOf(ref: string): Promise<Build> {
  const commit = await git('rev-parse', '--verify', '--quiet', `${ref}^{commit}`).catch(() => {
    throw new BuildError(`--against: git knows no commit "${ref}"`);
  });
  const name = commit.slice(0, 7);
  const root = resolve('.cache', 'builds', commit);
  // By force: the directory may have been deleted without git hearing of it.
  if (!existsSync(root)) await git('worktree', 'add', '--quiet', '--force', '--detach', root, commit);
  // Installs and builds what is missing, in that tree.
  const way = spawn(process.execPath, [join(root, 'tools', 'run.mjs'), 'node', '--version'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(way, 'exit')) as [number | null];
  if (code !== 0) throw new BuildError(`--against: ${name} does not build (in ${root})`);
  return { name, root };
}

async function git(...args: string[]): Promise<string> {
  return (await run('git', args)).stdout.trim();
}
