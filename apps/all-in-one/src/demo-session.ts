import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { AgentStatus } from '#contracts';
import { PeriodicWork, waitBackoff, type Backoff, type Cleanup, type Logger } from '#runtime';
import { DEMO_AGENT, DEMO_APPLICATIONS, type DemoAgentEvent, type DemoState } from './demo.js';

/** A token is good for an hour. */
const RENEW_MS = 30 * 60_000;
/** The database may go away just then, and is back in seconds. */
const AGAIN: Backoff = { firstMs: 200, maxMs: 2000 };
const MOST_ATTEMPTS = 20;

export interface DemoSessionOptions {
  readonly apiUrl: string;
  readonly dataDir: string;
  readonly logger: Logger;
  /** Aborted when the start is not to go on. */
  readonly stopping: AbortSignal;
}

/**
 * Writes files that curl calls with as each demo application (`curl -K`), keeps their tokens fresh, and looks at what the demo's
 * agent has by now, through the REST API as anybody would.
 *
 * @param undo takes what stops the renewal and removes the files
 * @returns undefined where a demo application has another secret by now, so that no line of the demo would work
 */
export async function startDemoSession(
  { apiUrl, dataDir, logger, stopping }: DemoSessionOptions,
  undo: Cleanup[],
): Promise<DemoState | undefined> {
  const directory = resolve(dataDir);
  const curlFiles = { demo: join(directory, 'demo.curl'), platform: join(directory, 'platform.curl') };
  const renew = async (): Promise<string | undefined> => {
    const tokens = await Promise.all(DEMO_APPLICATIONS.map(({ app_id, secret }) => fetchToken(apiUrl, app_id, secret)));
    const [demo, platform] = tokens;
    if (demo === undefined || platform === undefined) return undefined;
    await writeFile(curlFiles.demo, curlFile('demo', demo), { mode: 0o600 });
    await writeFile(curlFiles.platform, curlFile('platform', platform), { mode: 0o600 });
    return demo;
  };

  const token = await untilAnswered(renew, stopping);
  if (token === undefined) return undefined;
  const renewal = new PeriodicWork((error) => logger.warn({ err: error }, 'demo.token_not_renewed'));
  undo.push(async () => {
    await renewal.stop();
    for (const file of Object.values(curlFiles)) await rm(file, { force: true });
  });
  renewal.every(RENEW_MS, async () => void (await renew()));

  const agent = `${apiUrl}/api/ver1.0/client/@me/agent/${DEMO_AGENT.agentType}/${DEMO_AGENT.agentId}`;
  const [found, events] = await Promise.all([
    read<{ agent_status: AgentStatus }>(agent, token),
    read<DemoAgentEvent[]>(`${agent}/event/?per_page=1000`, token),
  ]);
  const curlAs = { demo: `-K ${shellWord(curlFiles.demo)}`, platform: `-K ${shellWord(curlFiles.platform)}` };
  return { curlAs, agentEvents: events ?? [], agentStatus: found?.agent_status ?? 'logged_out' };
}

/** @throws what the last of some attempts throws */
async function untilAnswered<T>(ask: () => Promise<T>, stopping: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (attempt === MOST_ATTEMPTS || stopping.aborted) throw error;
      await waitBackoff(attempt, AGAIN, stopping);
    }
  }
}

function curlFile(app: string, token: string): string {
  return [
    `# For curl -K: calls as the application ${app}. Its token is renewed while Rollcall runs.`,
    'silent',
    'show-error',
    `header = "Authorization: Bearer ${token}"`,
    'header = "Content-Type: application/json"',
    'write-out = "\\n"',
    '',
  ].join('\n');
}

/** @returns undefined where the secret is wrong */
async function fetchToken(apiUrl: string, appId: string, secret: string): Promise<string | undefined> {
  const response = await fetch(`${apiUrl}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', client_id: appId, client_secret: secret }),
  });
  if (response.status === 401) return undefined;
  if (!response.ok) throw new Error(`no token for ${appId}: HTTP ${response.status}`);
  return ((await response.json()) as { access_token: string }).access_token;
}

/** @returns undefined where it is not there */
async function read<T>(url: string, token: string): Promise<T | undefined> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  return response.ok ? ((await response.json()) as T) : undefined;
}

/** A word of a command line, quoted where a shell would read it otherwise. */
function shellWord(text: string): string {
  return /^[\w./@%+=:,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
