import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { call } from '../support/client.js';

/** How long a backend may take to say whether it is ready, in milliseconds. */
const PROBE_TIMEOUT_MS = 2000;
const PROBE_EVERY_MS = 1000;

/** What stands before instances that come and go, as a Service of Kubernetes does: it finds out each second which are ready. */
export class ServiceProxy {
  /** Connections that could not be handed on. */
  refused = 0;
  private ready: string[] = [];
  private next = 0;
  private readonly sockets = new Set<Socket>();
  private readonly stopping = new AbortController();
  private readonly probing: Promise<void>;

  private constructor(
    private readonly server: Server,
    private readonly backends: () => readonly string[],
  ) {
    server.on('connection', (client) => this.take(client));
    this.probing = this.probeForever();
  }

  /** @param backends base URLs of the instances that there are now */
  static async start(backends: () => readonly string[]): Promise<ServiceProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ServiceProxy(server, backends);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Base URLs that connections are handed to. */
  get targets(): readonly string[] {
    return this.ready;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    for (const socket of this.sockets) socket.destroy();
    await once(this.server.close(), 'close');
    await this.probing;
  }

  private async probeForever(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const all = this.backends();
      const answers = await Promise.all(all.map(isReady));
      this.ready = all.filter((_, index) => answers[index]);
      await delay(PROBE_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private take(client: Socket): void {
    const target = this.ready[this.next++ % Math.max(1, this.ready.length)];
    this.keep(client);
    if (target === undefined) return this.refuse(client);
    const { hostname, port } = new URL(target);
    const backend = connect(Number(port), hostname);
    this.keep(backend);
    let connected = false;
    backend.once('connect', () => {
      connected = true;
      client.pipe(backend).pipe(client);
    });
    backend.on('error', () => (connected ? client.destroy() : this.refuse(client)));
    backend.once('close', () => client.destroySoon());
    client.on('error', () => backend.destroy());
    client.once('close', () => backend.destroySoon());
  }

  private refuse(client: Socket): void {
    this.refused += 1;
    client.destroy();
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await call(`${url}/health/ready`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })).status === 200;
  } catch {
    return false;
  }
}
