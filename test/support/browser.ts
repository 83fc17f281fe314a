import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';

/** What Debian, Chromium's own packages and Chrome's call it. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The browser of this machine; undefined: there is none. */
export const BROWSER_PATH = findBrowser();

/** Why a suite that needs a browser is skipped; `false` where it is not. */
export const NO_BROWSER: string | false =
  BROWSER_PATH === undefined && 'there is no Chromium on this machine (Debian: apt-get install chromium)';

if (NO_BROWSER !== false && process.env['REQUIRE_BROWSER'] === '1') throw new Error(`REQUIRE_BROWSER is set, and ${NO_BROWSER}`);

/** Starts a headless Chromium; the caller closes it. It ends with this process, however that ends. */
export function startBrowser(): Promise<Browser> {
  if (BROWSER_PATH === undefined) throw new Error('there is no Chromium');
  // As root, which CI is, Chromium has no sandbox; it opens nothing but pages of ours.
  return chromium.launch({ executablePath: BROWSER_PATH, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

function findBrowser(): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(delimiter);
  return NAMES.flatMap((name) => directories.map((directory) => join(directory, name))).find((path) => existsSync(path));
}
