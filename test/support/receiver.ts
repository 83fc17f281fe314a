import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request as a third party saw it, to the byte. */
export interface RecordedRequest {
  readonly method: string;
  /** Path and query, as they stood on the request line. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly at: number;
}

/** How the receiver answers; it may take its time, or destroy the socket. */
export type Behaviour = (request: RecordedRequest, response: ServerResponse, nth: number) => void;

/** A third party that records all that it gets. */
export class RecordingReceiver {
  readonly requests: RecordedRequest[] = [];
  private behaviour: Behaviour = (_request, response) => response.writeHead(200).end('ok');

  private constructor(private readonly server: ReturnType<typeof createServer>) {}

  static async start(): Promise<RecordingReceiver> {
    const server = createServer((request, response) => void receiver.record(request, response));
    const receiver = new RecordingReceiver(server);
    server.keepAliveTimeout = 60_000;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Sets how it answers from now on. */
  answer(behaviour: Behaviour): void {
    this.behaviour = behaviour;
  }

  /** Lists the requests whose path begins with a prefix, so that tests can share a receiver. */
  at(prefix: string): RecordedRequest[] {
    return this.requests.filter((request) => request.url.startsWith(prefix));
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private async record(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return; // the sender went away in the middle: it was no request
    }
    const recorded = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8'),
      at: Date.now(),
    };
    this.requests.push(recorded);
    this.behaviour(recorded, response, this.requests.length);
  }
}
