import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { InvalidArgumentError, type Command } from 'commander';
import { reasonOf, readSettings, retry, type Backoff, type Settings } from '#runtime';
import type { Terminal } from './database.js';

/** An agent of its own, so that no real one is said to have logged in. */
const AGENT = { agent_type: 'local', agent_id: 4_294_967_295, extension_name: 'smoke-test' } as const;
const ARRIVES_WITHIN_MS = 15_000;
const POLL_MS = 50;
const PORTS = ['SUBSCRIPTION_API_PORT', 'PRESENCE_PORT', 'DISPATCHER_PORT', 'OPERATIONS_PORT'] as const;
/** Between two looks whether it is ready. */
const AGAIN: Backoff = { firstMs: 100, maxMs: 1000 };
/** Longest that a service may take to say whether it is ready, in milliseconds. */
const ANSWERS_WITHIN_MS = 5000;

interface SmokeOptions {
  readonly api?: string;
  readonly presence?: string;
  readonly wait: number;
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
    .option('--wait <seconds>', 'longest that it waits for them to be ready', secondsOf, 60)
    .option('--app <id>', 'an application with access all', 'demo')
    .option('--secret <secret>', 'its secret', 'demo-secret')
    .option('--platform-app <id>', 'an application with access platform', 'platform')
    .option('--platform-secret <secret>', 'its secret', 'platform-secret')
    .addHelpText(
      'after',
      '\nIt listens on 127.0.0.1 for the notification: Rollcall has to run on this machine, with ALLOW_DESTINATIONS=127.0.0.0/8.',
    )
    .action((options: SmokeOptions) => {
      const ports = readSettings(terminal.env, PORTS);
      const api = options.api ?? localUrl(ports.SUBSCRIPTION_API_PORT);
      const presence = options.presence ?? localUrl(ports.PRESENCE_PORT);
      const health = options.api === undefined ? localHealth(presence, ports) : [api, presence];
      return smoke({ ...options, api, presence, health }, (line) => terminal.write(`${line}\n`));
    });
}

/** Where the services of this machine say whether they are ready: each for itself, or one for all. */
function localHealth(presence: string, ports: Pick<Settings, (typeof PORTS)[number]>): string[] {
  if (ports.OPERATIONS_PORT !== undefined) return [localUrl(ports.OPERATIONS_PORT)];
  return [localUrl(ports.SUBSCRIPTION_API_PORT), presence, localUrl(ports.DISPATCHER_PORT)];
}

function localUrl(port: number): string {
  return `http://127.0.0.1:${port}`;
}

function secondsOf(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('must be a whole number from 0 to 9999');
  return Number(text);
}

interface SmokePlaces extends Required<SmokeOptions> {
  /** Base URLs of `/health/ready`. */
  readonly health: readonly string[];
}

/** @throws Error that says which step went wrong */
async function smoke(options: SmokePlaces, say: (line: string) => void): Promise<void> {
  const patience = AbortSignal.timeout(options.wait * 1000);
  for (const url of options.health) await untilReady(`${url}/health/ready`, options.wait, patience, say);
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

/**
 * Waits until a service says that it is ready: it may have been started a moment ago. One that answers, and has its health elsewhere
 * (OPERATIONS_PORT), is taken as ready.
 *
 * @throws Error with what it said last, when the time is over
 */
async function untilReady(url: string, seconds: number, patience: AbortSignal, say: (line: string) => void): Promise<void> {
  const look = async (): Promise<void> => {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWERS_WITHIN_MS) });
    if (!response.ok && response.status !== 404) throw new Error(`${response.status}: ${await response.text()}`);
    await response.body?.cancel();
  };
  const onFailure = (error: unknown, attempt: number): void => {
    if (attempt === 1) say(`Waiting for ${url} (${whyOf(error)}) ...`);
  };
  try {
    await retry(look, { backoff: AGAIN, signal: patience, onFailure });
  } catch (error) {
    throw new Error(`${url} was not ready within ${seconds} s (${whyOf(error)}); is Rollcall running?`, { cause: error });
  }
}

/** What is behind a request that has failed. */
function whyOf(error: unknown): string {
  return reasonOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
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
  const response = await fetch(url, request).catch((error: unknown) => {
    throw new Error(`${what}: ${whyOf(error)}; is it running?`, { cause: error });
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${what} answered ${response.status}: ${text}`);
  return text;
}
