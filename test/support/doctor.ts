import { expect } from 'vitest';
import type { Finding } from '../../apps/cli/src/doctor/finding.js';
import { runCli } from '../../apps/cli/src/run.js';
import type { Environment } from './process.js';

/** What `doctor --json` said, and how it ended. */
export interface Examination {
  readonly code: number;
  readonly error: string;
  readonly status: Finding['status'];
  readonly findings: readonly Finding[];
  /** Those that are warnings or errors. */
  readonly bad: readonly Finding[];
}

/** Runs `doctor --json` in this process. @param env all of its environment */
export async function examine(env: Environment, ...args: string[]): Promise<Examination> {
  let out = '';
  let error = '';
  const code = await runCli(['doctor', '--json', ...args], {
    env,
    write: (text) => void (out += text),
    writeError: (text) => void (error += text),
  });
  const answer = JSON.parse(out) as { status: Finding['status']; findings: Finding[] };
  return { code, error, ...answer, bad: answer.findings.filter(({ status }) => status !== 'ok') };
}

/** Expects a check to have found something, in these words, and to say what to do; and the exit code to go by what was found. */
export function expectFinding({ code, bad, findings }: Examination, check: string, words: RegExp): void {
  const finding = bad.find((one) => one.check === check);
  expect(finding, JSON.stringify(findings)).toMatchObject({ found: expect.stringMatching(words) as string });
  expect(finding!.remedy).toBeTruthy();
  expect(code).toBe(bad.some(({ status }) => status === 'error') ? 1 : 0);
}
