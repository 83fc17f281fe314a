import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { listenError, type SettingName } from '#runtime';

/** Longest that a client may take to send a request, in milliseconds; who trickles bytes is cut off. */
const REQUEST_TIMEOUT_MS = 30_000;
const CONNECTION_CHECK_MS = 30_000;
/** Longer than the idle timeout of common proxies (60 s), so that they never send into a connection we just closed. */
const KEEP_ALIVE_MS = 72_000;
/** Requests that are in flight when the service stops have this long, in milliseconds. */
const CLOSE_GRACE_MS = 10_000;
const IDLE_CHECK_MS = 50;
const MAX_CONNECTIONS = 10_000;

export interface ServiceServerOptions {
  /** Whether clients are to go elsewhere with their next request: the connection ends with the answer. */
  readonly isLeaving: () => boolean;
  /** Longest that a client may take to send a request, in milliseconds; 30 s by default. */
  readonly requestTimeoutMs?: number | undefined;
  /** How often connections are looked at for that, in milliseconds; 30 s by default, as Node has it. */
  readonly connectionCheckMs?: number | undefined;
}

/** The HTTP server of a service. It listens before there is an application, and its listener can be replaced. */
export class ServiceServer {
  readonly server: Server;
  /** Connections that never sent anything. */
  private readonly unused = new Set<Socket>();
  private answer: RequestListener;
  private closed: Promise<void> | undefined;

  constructor(
    { isLeaving, requestTimeoutMs = REQUEST_TIMEOUT_MS, connectionCheckMs }: ServiceServerOptions,
    first: RequestListener,
  ) {
    this.answer = first;
    this.server = createServer({
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: connectionCheckMs ?? CONNECTION_CHECK_MS,
    });
    this.server.maxConnections = MAX_CONNECTIONS;
    this.server.on('connection', (socket: Socket) => {
      this.unused.add(socket);
      socket.once('close', () => this.unused.delete(socket));
    });
    this.server.on('request', (request, response) => {
      this.unused.delete(request.socket);
      if (isLeaving()) response.setHeader('connection', 'close');
      this.answer(request, response);
    });
  }

  /** Replaces the listener for all further requests. */
  answerBy(answer: RequestListener): void {
    this.answer = answer;
  }

  /**
   * Starts answering.
   *
   * @param port 0: any free one
   * @param setting the one that the port is from, to name where it cannot be had
   * @returns the base URL
   * @throws StartError when the address cannot be listened on
   */
  async listen(host: string, port: number, setting: SettingName): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      const refuse = (error: Error): void => reject(listenError(error, { host, port, setting }));
      this.server.once('error', refuse).listen(port, host, () => {
        this.server.off('error', refuse);
        resolve();
      });
    });
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
    return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
  }

  /**
   * Accepts no further connection, and waits until the open ones have ended: each after the answer in flight, or after a grace
   * period. Node closes only connections that are idle now; those that become idle later, and those that never sent a request
   * (browsers and pools open some in advance), are closed here.
   */
  close(): Promise<void> {
    this.closed ??= this.server.listening ? this.end() : Promise.resolve();
    return this.closed;
  }

  private end(): Promise<void> {
    return new Promise((resolve) => {
      const idle = setInterval(() => {
        this.server.closeIdleConnections();
        for (const socket of this.unused) socket.destroy();
      }, IDLE_CHECK_MS);
      const all = setTimeout(() => this.server.closeAllConnections(), CLOSE_GRACE_MS);
      this.server.close(() => {
        clearInterval(idle);
        clearTimeout(all);
        resolve();
      });
    });
  }
}
