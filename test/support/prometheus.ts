import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

/** Prometheus and its promtool on this machine; undefined: there are none. */
export const PROMETHEUS = findTool('prometheus');
export const PROMTOOL = findTool('promtool');

/** Why a suite that needs them is skipped; `false` where it is not. */
export const NO_PROMETHEUS: string | false =
  (PROMETHEUS === undefined || PROMTOOL === undefined) &&
  'there is no Prometheus on this machine (tools/install-prometheus.sh fetches Debian’s)';

if (NO_PROMETHEUS !== false && process.env['REQUIRE_PROMETHEUS'] === '1') {
  throw new Error(`REQUIRE_PROMETHEUS is set, and ${NO_PROMETHEUS}`);
}

/** Runs promtool. @returns what it says, whether it succeeds or not */
export async function promtool(...args: string[]): Promise<{ readonly code: number; readonly output: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(PROMTOOL!, args);
    return { code: 0, output: `${stdout}${stderr}` };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: `${stdout}${stderr}` };
  }
}

/** In the path, or where tools/install-prometheus.sh puts it. */
function findTool(name: string): string | undefined {
  const own = join(import.meta.dirname, '..', '..', '.cache', 'prometheus', 'usr', 'bin');
  const directories = [own, ...(process.env['PATH'] ?? '').split(delimiter)];
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
}
