import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import pg from 'pg';

/** For what a client gets a session of the server: a transaction, as PgBouncer's `pool_mode` says, or for as long as it is connected. */
export type PoolMode = 'transaction' | 'session';

export interface PoolerOptions {
  readonly mode: PoolMode;
  /** Sessions of the server. */
  readonly size: number;
  /** Which of the sessions that nobody has is lent first: the one that came back last (PgBouncer's default), or first. */
  readonly lend?: 'last' | 'first';
}

/** What PgBouncer knows without being told; with another setting it refuses a connection. */
const KNOWN_PARAMETERS = new Set(['user', 'database', 'application_name', 'client_encoding']);
const READY = 'Z'.charCodeAt(0);
const TERMINATE = 'X'.charCodeAt(0);
const OUTSIDE_TRANSACTION = 'I'.charCodeAt(0);
const HEADER = 5;

/** A connection pooler such as PgBouncer, in as much of PostgreSQL's protocol as node-postgres speaks without TLS. */
export class Pooler {
  private readonly free: Socket[] = [];
  private readonly waiting: ((session: Socket) => void)[] = [];
  private readonly backends: pg.Client[] = [];

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
    private readonly options: PoolerOptions,
  ) {}

  static async start(databaseUrl: string, options: PoolerOptions): Promise<Pooler> {
    const server = createServer();
    const pooler = new Pooler(server, new URL(databaseUrl), options);
    for (let nth = 0; nth < options.size; nth++) await pooler.addSession();
    server.on('connection', (client) => pooler.serve(client)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return pooler;
  }

  get url(): string {
    const url = new URL(this.target);
    url.host = `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return url.toString();
  }

  async stop(): Promise<void> {
    this.server.close();
    for (const backend of this.backends) backend.connection.stream.destroy();
    await once(this.server, 'close');
  }

  /** Lets node-postgres log in, and takes its socket over. */
  private async addSession(): Promise<void> {
    const backend = new pg.Client({ connectionString: this.target.toString() });
    backend.on('error', () => undefined);
    await backend.connect();
    this.backends.push(backend);
    const stream = backend.connection.stream as Socket;
    stream.removeAllListeners('data');
    this.free.push(stream);
  }

  private async borrow(): Promise<Socket> {
    const session = this.options.lend === 'first' ? this.free.shift() : this.free.pop();
    return session ?? new Promise((resolve) => this.waiting.push(resolve));
  }

  private giveBack(session: Socket): void {
    session.removeAllListeners('data');
    const next = this.waiting.shift();
    if (next) next(session);
    else this.free.push(session);
  }

  private serve(client: Socket): void {
    let session: Promise<Socket> | undefined;
    let isStarted = false;
    const leave = (): void => {
      void session?.then((lent) => this.giveBack(lent));
      session = undefined;
    };
    const answer = (lent: Socket): void => {
      let unread: Buffer = Buffer.alloc(0);
      lent.on('data', (data) => {
        client.write(data);
        let isOver = false;
        unread = forEachMessage(Buffer.concat([unread, data]), (type, body) => {
          isOver = type === READY && body[0] === OUTSIDE_TRANSACTION;
        });
        if (isOver && this.options.mode === 'transaction') leave();
      });
    };
    client.on('error', () => client.destroy());
    client.on('close', leave);
    client.on('data', (data) => {
      if (!isStarted) {
        isStarted = true;
        client.write(welcome(data));
        return;
      }
      if (data[0] === TERMINATE) {
        client.end();
        return;
      }
      session ??= this.borrow().then((lent) => {
        answer(lent);
        return lent;
      });
      void session.then((lent) => lent.write(data));
    });
  }
}

/** What a start is answered with: whoever comes is let in, unless it sends along what is not known. */
function welcome(startup: Buffer): Buffer {
  const words = startup.subarray(8).toString().split('\0');
  const unknown = words.find((word, nth) => nth % 2 === 0 && word !== '' && !KNOWN_PARAMETERS.has(word));
  if (unknown !== undefined) return message('E', `SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: ${unknown}\0\0`);
  const key = Buffer.alloc(8, 7); // no session's own, since none is lent yet
  return Buffer.concat([
    message('R', Buffer.alloc(4)),
    message('S', 'server_version\x0018.0\0'),
    message('K', key),
    message('Z', 'I'),
  ]);
}

function message(type: string, body: string | Buffer): Buffer {
  const bytes = Buffer.from(body);
  const header = Buffer.alloc(HEADER);
  header.write(type);
  header.writeUInt32BE(bytes.length + 4, 1);
  return Buffer.concat([header, bytes]);
}

/** @returns what is left: the beginning of a message */
function forEachMessage(data: Buffer, look: (type: number, body: Buffer) => void): Buffer {
  let at = 0;
  while (data.length - at >= HEADER) {
    const end = at + 1 + data.readUInt32BE(at + 1);
    if (end > data.length) break;
    look(data[at]!, data.subarray(at + HEADER, end));
    at = end;
  }
  return data.subarray(at);
}
