import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How many requests `GET /received` remembers: contract §8. */
const REMEMBERED = 100;
/** Most that is kept of one body, in bytes. */
const MAX_BODY_BYTES = 64 * 1024;

/** One request as the receiver saw it: contract §8. */
export interface ReceivedRequest {
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
 * A third party to try things with: answers any request with 200 (or what `POST /mode` set), shows it as one line and
 * lists the last ones at `GET /received`: contract §8.
 *
 * @param show takes one line for the terminal
 */
export async function startDemoReceiver(host: string, port: number, show: (line: string) => void): Promise<DemoReceiver> {
  const received: ReceivedRequest[] = [];
  let status = 200;

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readBody(request);
    const { pathname } = new URL(request.url ?? '/', 'http://receiver');
    if (request.method === 'GET' && pathname === '/received') return answer(response, 200, received);
    if (request.method === 'POST' && pathname === '/mode') {
      const mode = readMode(body);
      if (mode === undefined) return answer(response, 400, { message: 'status: must be a whole number from 200 to 599' });
      status = mode;
      return answer(response, 200, { status });
    }
    const record = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body,
      at: new Date().toISOString(),
    };
    received.push(record);
    if (received.length > REMEMBERED) received.shift();
    show(
      `${record.at}  received  ${record.method} ${printable(record.url)}${body === '' ? '' : `  ${printable(body)}`}  -> ${status}`,
    );
    return answer(response, status, { received: true });
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

function readMode(body: string): number | undefined {
  try {
    const { status } = JSON.parse(body) as { status?: unknown };
    return typeof status === 'number' && Number.isInteger(status) && status >= 200 && status <= 599 ? status : undefined;
  } catch {
    return undefined; // not JSON, or null: answered as a wrong status
  }
}

/** What strangers send must not steer the terminal. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are exactly what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?').slice(0, 500);
}
