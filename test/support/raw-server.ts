import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** One request, whole, and where it came from. */
export interface RawRequest {
  readonly text: string;
  /** Of the connection, from 1. */
  readonly connection: number;
  /** Of the request on its connection, from 1. */
  readonly nth: number;
}

/** Writes whatever it likes. */
export type RawBehaviour = (socket: Socket, request: RawRequest) => void;

/** A receiver that answers with exact bytes, or hangs up, and records what it was sent. */
export class RawServer {
  readonly requests: RawRequest[] = [];
  readonly sockets: Socket[] = [];

  private constructor(private readonly server: Server) {}

  /** @param onConnection called before anything is sent */
  static async start(behaviour: RawBehaviour, onConnection?: (socket: Socket) => void): Promise<RawServer> {
    const server = createServer((socket) => raw.accept(socket, behaviour, onConnection));
    const raw = new RawServer(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return raw;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private accept(socket: Socket, behaviour: RawBehaviour, onConnection: ((socket: Socket) => void) | undefined): void {
    const connection = this.sockets.push(socket);
    let nth = 0;
    let received = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      for (let length = lengthOf(received); received !== '' && length <= received.length; length = lengthOf(received)) {
        const request = { text: received.slice(0, length), connection, nth: ++nth };
        received = received.slice(length);
        this.requests.push(request);
        behaviour(socket, request);
      }
    });
    onConnection?.(socket);
  }
}

/** Of the first request; infinite while its head is not whole. */
function lengthOf(text: string): number {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return Infinity;
  return head + 4 + Number(/^content-length: (\d+)/im.exec(text.slice(0, head))?.[1] ?? 0);
}
