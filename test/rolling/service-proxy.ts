import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { call } from '../support/client.js';

/** How long a backend may take to say whether it is ready, in milliseconds. */
const PROBE_TIMEOUT_MS = 2000;
const PROBE_EVERY_MS = 1000;
/** A backend that says nothing so often in a row counts as not ready; one that says no does at once. */
const SILENCES = 3;

/** What stands before instances that come and go, as a Service of Kubernetes does: it finds out each second which are ready. */
export class ServiceProxy {
  /** Connections that could not be handed on. */
  refused = 0;
  /** Those that are ready, with how often in a row they said nothing. */
  private readonly ready = new Map<string, number>();
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

  /** Returns the base URLs that connections are handed to. */
  get targets(): readonly string[] {
    return [...this.ready.keys()];
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    for (const socket of this.sockets) socket.destroy();
    await once(this.server.close(), 'close');
    await this.probing;
  }

  private async probeForever(): Promise<void> {
    const { signal } = this.stopping;
    const asked = new Set<string>();
    while (!signal.aborted) {
      const all = this.backends();
      for (const url of this.ready.keys()) if (!all.includes(url)) this.ready.delete(url);
      // Each for itself: one that is slow must not keep what another says from being heard.
      for (const url of all) {
        if (asked.has(url)) continue;
        asked.add(url);
        void this.probe(url).finally(() => asked.delete(url));
      }
      await delay(PROBE_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private async probe(url: string): Promise<void> {
    const isReady = await askReady(url);
    const silences = isReady === undefined ? (this.ready.get(url) ?? SILENCES) + 1 : 0;
    if (isReady === false || silences >= SILENCES || !this.backends().includes(url)) this.ready.delete(url);
    else this.ready.set(url, silences);
  }

  private take(client: Socket): void {
    const { targets } = this;
    const target = targets[this.next++ % Math.max(1, targets.length)];
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

/** @returns undefined: it said nothing in time */
async function askReady(url: string): Promise<boolean | undefined> {
  try {
    return (await call(`${url}/health/ready`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })).status === 200;
  } catch (error) {
    return (error as Error).name === 'TimeoutError' ? undefined : false;
  }
}
