import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { readSettings } from '#runtime';
import type { Terminal } from './database.js';

/** An agent of its own, so that no real one is said to have logged in. */
const AGENT = { agent_type: 'local', agent_id: 4_294_967_295, extension_name: 'smoke-test' } as const;
const ARRIVES_WITHIN_MS = 15_000;
const POLL_MS = 50;

interface SmokeOptions {
  readonly api?: string;
  readonly presence?: string;
  readonly app: string;
  readonly secret: string;
  readonly platformApp: string;
  readonly platformSecret: string;
}

/** Adds `smoke`: has the main job done once by a running product, from outside. Contract §3, §4 and §6. */
export function addSmokeCommand(program: Command, terminal: Terminal): void {
  program
    .command('smoke')
    .description('Tries the main job once on a running Rollcall, and says whether the notification arrived.')
    .option('--api <url>', 'subscription-api (default: at SUBSCRIPTION_API_PORT of 127.0.0.1)')
    .option('--presence <url>', 'presence (default: at PRESENCE_PORT of 127.0.0.1)')
    .option('--app <id>', 'an application with access all', 'demo')
    .option('--secret <secret>', 'its secret', 'demo-secret')
    .option('--platform-app <id>', 'an application with access platform', 'platform')
    .option('--platform-secret <secret>', 'its secret', 'platform-secret')
    .addHelpText(
      'after',
      '\nIt listens on 127.0.0.1 for the notification: Rollcall has to run on this machine, with ALLOW_DESTINATIONS=127.0.0.0/8.',
    )
    .action((options: SmokeOptions) => {
      const ports = readSettings(terminal.env, ['SUBSCRIPTION_API_PORT', 'PRESENCE_PORT']);
      const api = options.api ?? `http://127.0.0.1:${ports.SUBSCRIPTION_API_PORT}`;
      const presence = options.presence ?? `http://127.0.0.1:${ports.PRESENCE_PORT}`;
      return smoke({ ...options, api, presence }, (line) => terminal.write(`${line}\n`));
    });
}

/** @throws Error that says which step went wrong */
async function smoke(options: Required<SmokeOptions>, say: (line: string) => void): Promise<void> {
  const requests: IncomingMessage[] = [];
  const receiver = await listen(requests);
  try {
    const app = await token(options.api, options.app, options.secret);
    const platform = await token(options.api, options.platformApp, options.platformSecret);
    const base = `${options.api}/api/ver1.0/client/@me`;
    const { client_id } = await call<{ client_id: number }>('GET', `${options.api}/api/ver1.0/user`, app);
    say(`Signed in as ${options.app} of client ${client_id}.`);

    const agent = `${base}/agent/${AGENT.agent_type}/${AGENT.agent_id}`;
    await call('PUT', agent, app, { extension_name: AGENT.extension_name });
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
    await call('POST', `${agent}/event/`, app, { url, event_type: 'agent-login', method: 'GET' });
    say(`Added an agent event of agent ${AGENT.agent_id} to ${url}.`);

    const startedAt = performance.now();
    const item = { ...AGENT, client_id: String(client_id), agent_status: 'available', event_source: 'api' };
    const [reported] = await call<{ result: string }[]>('POST', `${options.presence}/telemetry`, platform, [item]);
    if (reported?.result !== 'changed') throw new Error(`the login was ${JSON.stringify(reported)}, and not "changed"`);
    say('Reported its login.');
    while (requests.length === 0) {
      if (performance.now() - startedAt > ARRIVES_WITHIN_MS)
        throw new Error(`no notification within ${ARRIVES_WITHIN_MS / 1000} s: GET ${agent}/explain says why`);
      await delay(POLL_MS);
    }
    say(`Notified after ${Math.round(performance.now() - startedAt)} ms: ${requests[0]!.method} ${requests[0]!.url}`);
    await call('DELETE', agent, app); // with its agent events; it is logged out first
    say('All is well.');
  } finally {
    receiver.closeAllConnections();
    receiver.close();
  }
}

function listen(requests: IncomingMessage[]): Promise<Server> {
  const server = createServer((request, response) => {
    requests.push(request);
    request.resume();
    response.end();
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

async function token(api: string, id: string, secret: string): Promise<string> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: id, client_secret: secret });
  const answer = await ask(`${api}/oauth/token`, { method: 'POST', body });
  return (JSON.parse(answer) as { access_token: string }).access_token;
}

async function call<Answer>(method: string, url: string, bearer: string, body?: unknown): Promise<Answer> {
  const headers = { authorization: `Bearer ${bearer}`, ...(body !== undefined && { 'content-type': 'application/json' }) };
  const answer = await ask(url, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  return (answer === '' ? undefined : JSON.parse(answer)) as Answer;
}

async function ask(url: string, request: RequestInit): Promise<string> {
  const what = `${request.method} ${url}`;
  const response = await fetch(url, request).catch((error: Error) => {
    throw new Error(`${what}: ${error.cause instanceof Error ? error.cause.message : error.message}; is it running?`);
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${what} answered ${response.status}: ${text}`);
  return text;
}
