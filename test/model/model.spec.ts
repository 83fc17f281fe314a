import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const CHECK = fileURLToPath(new URL('./check.mjs', import.meta.url));

/** Explores the scenarios whose names contain a word, with rules taken away. @returns what is printed */
async function check(...args: readonly string[]): Promise<string> {
  const env = { ...process.env, LIMIT: '40000' };
  const { stdout } = await promisify(execFile)(process.execPath, [CHECK, ...args], { env, maxBuffer: 2 ** 24 });
  return stdout;
}

describe('the model of the protocol', () => {
  it('holds under the rules', async () => {
    expect(await check('topic')).toContain('; 0 broken');
    expect(await check('pages')).toContain('; 0 broken');
  }, 240_000);

  it.each([
    ['a request that is out holds its lane though its agent event is deleted', 'DELETE', 'outBlocks=false'],
    ['"nothing waits any more" is decided under a lock', 'topic: 2 missing', 'deleteLocked=false'],
    ['what the topic lacks is read from the log', 'topic: 2 missing', 'heal=false'],
    ['a page is recorded once everything before its change is', 'pages, crash', 'pageAfterCursor=false'],
    ['what relies on a row waits for the cursor', 'pages, crash', 'pageRelies=false'],
    ['nothing is worked off beyond the cursor', 'pages, one url', 'belowCursor=false'],
  ])(
    'breaks where it is not so that %s',
    async (_rule, scenario, rule) => {
      expect(await check(scenario, rule)).toContain('BROKEN');
    },
    120_000,
  );
});
