import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

/** How many requests `GET /received` remembers: contract §8. */
const REMEMBERED = 100;
/** Most that is kept of one body, in bytes. */
const MAX_BODY_BYTES = 64 * 1024;
/** Longest that a request is waited for, or an answer held back, in seconds. */
const MAX_WAIT_S = 60;

const SECONDS = `must be a number of seconds from 0 to ${MAX_WAIT_S}`;
const querySchema = z.object({
  after: z
    .string()
    .regex(/^\d{1,15}$/, 'must be the n of a request: a whole number')
    .transform(Number)
    .optional(),
  wait: z
    .string()
    .regex(/^\d{1,9}(\.\d{1,9})?$/, SECONDS)
    .transform(Number)
    .refine((seconds) => seconds <= MAX_WAIT_S, SECONDS)
    .default(0),
});

const STATUS = 'must be a whole number from 200 to 599';
const DELAY = `must be a whole number from 0 to ${MAX_WAIT_S * 1000}`;
const modeSchema = z.strictObject(
  {
    status: z.int(STATUS).min(200, STATUS).max(599, STATUS).optional(),
    delay_ms: z
      .int(DELAY)
      .min(0, DELAY)
      .max(MAX_WAIT_S * 1000, DELAY)
      .optional(),
  },
  { error: (issue) => (issue.code === 'invalid_type' ? 'must be a JSON object' : undefined) },
);

/** One request as the receiver saw it: contract §8. */
export interface ReceivedRequest {
  /** Counts the requests from 1; emptying the list does not begin anew. */
  readonly n: number;
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** RFC 3339. */
  readonly at: string;
}

export interface DemoReceiver {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts a third party to try things with: it answers any request with 200 (or what `POST /mode` set), shows it as one line and
 * lists the last ones at `GET /received`: contract §8.
 *
 * @param show takes one line for the terminal
 */
export async function startDemoReceiver(host: string, port: number, show: (line: string) => void): Promise<DemoReceiver> {
  const arrivals = new Arrivals();
  let mode = { status: 200, delay_ms: 0 };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readBody(request);
    const { method = '', url = '', headers } = request;
    const [path, ...query] = url.split('?');
    switch (`${method} ${path}`) {
      case 'GET /received': {
        const asked = querySchema.safeParse(Object.fromEntries(new URLSearchParams(query.join('?'))));
        if (!asked.success) return answer(response, 400, refusalOf(asked.error));
        const { after, wait } = asked.data;
        if (after !== undefined) await arrivals.waitBeyond(after, wait * 1000, response);
        return answer(response, 200, arrivals.after(after ?? 0));
      }
      case 'DELETE /received':
        arrivals.empty();
        return void response.writeHead(204).end();
      case 'POST /mode': {
        const change = modeSchema.safeParse(parseJson(body));
        if (!change.success) return answer(response, 400, refusalOf(change.error));
        mode = { ...mode, ...change.data };
        return answer(response, 200, mode);
      }
    }
    const { status, delay_ms } = mode;
    const { at } = arrivals.add({ method, url, headers, body, at: new Date().toISOString() });
    show(`${at}  received  ${method} ${printable(url)}${body === '' ? '' : `  ${printable(body)}`}  -> ${status}`);
    if (delay_ms > 0) await delay(delay_ms, undefined, { ref: false });
    answer(response, status, { received: true });
  };

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      // Only a client that went away gets here; there is nobody left to answer.
      show(`the demo receiver lost a request: ${String(error)}`);
      response.destroy();
    });
  });
  server.listen(port, host);
  await once(server, 'listening');
  const shown = host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${shown}:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** The last requests, in the order of their arrival. */
class Arrivals {
  private readonly added = new EventEmitter<{ request: [] }>().setMaxListeners(0);
  private requests: ReceivedRequest[] = [];
  private last = 0;

  add(request: Omit<ReceivedRequest, 'n'>): ReceivedRequest {
    const received = { n: ++this.last, ...request };
    this.requests.push(received);
    if (this.requests.length > REMEMBERED) this.requests.shift();
    this.added.emit('request');
    return received;
  }

  after(n: number): readonly ReceivedRequest[] {
    return this.requests.filter((request) => request.n > n);
  }

  empty(): void {
    this.requests = [];
  }

  /** Resolves once there is a request beyond `n`, the time is up, or whoever asked is gone. */
  async waitBeyond(n: number, ms: number, response: ServerResponse): Promise<void> {
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), ms);
    response.once('close', () => over.abort());
    try {
      while (this.after(n).length === 0) await once(this.added, 'request', { signal: over.signal });
    } catch (error) {
      if (!over.signal.aborted) throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  // 204 and 304 have no body; Node drops it and keeps the connection in order.
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body, null, 2) + '\n');
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    if (size < MAX_BODY_BYTES) chunks.push(chunk.subarray(0, MAX_BODY_BYTES - size));
    size += chunk.length;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** @returns undefined where it is no JSON, which the schema refuses */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusalOf(error: z.ZodError): { readonly message: string } {
  return { message: error.issues.map(({ path, message }) => [path.join('.'), message].filter(Boolean).join(': ')).join('; ') };
}

/** What strangers send must not steer the terminal. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are exactly what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?').slice(0, 500);
}
