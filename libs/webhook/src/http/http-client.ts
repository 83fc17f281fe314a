import type { AddressGuard } from '../address-guard.js';
import { AttemptFailure } from '../failure.js';
import type { WebhookRequest } from '../notification.js';
import { createConnector, type Connect } from './connector.js';
import { Exchange, type Answer, type SendTerms } from './exchange.js';
import { HostResolver, type HostLookup } from './host-resolver.js';
import { OriginPool } from './origin-pool.js';

/** How often idle connections are looked at, in milliseconds. */
const SWEEP_MS = 250;

export interface HttpClientOptions {
  readonly guard: AddressGuard;
  /** Longest that an exchange may take in all, in milliseconds: contract §6. */
  readonly timeoutMs: number;
  /** Most connections to one origin. */
  readonly connectionsPerOrigin: number;
  /** Who is asked for a name's addresses; as the machine is set up by default. The guard judges its answers all the same. */
  readonly lookupHost?: HostLookup;
}

/** An HTTP/1.1 client that keeps the rules of contract §6, which no library at hand does: docs/adr/0018. */
export class HttpClient {
  private readonly pools = new Map<string, OriginPool>();
  private readonly connect: Connect;
  private readonly sweeper: NodeJS.Timeout;
  private isClosed = false;

  constructor(private readonly options: HttpClientOptions) {
    const resolver = new HostResolver();
    const lookupHost: HostLookup = options.lookupHost ?? ((hostname, clientId) => resolver.resolve(hostname, clientId));
    this.connect = createConnector(options.guard, lookupHost);
    this.sweeper = setInterval(() => this.closeIdle(), SWEEP_MS).unref();
  }

  /**
   * Sends one request. Rejects with the network's error or an {@link AttemptFailure} when there is no answer, and with a
   * {@link NotSentError} when nothing was sent in time.
   */
  exchange(request: WebhookRequest, terms: SendTerms): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) return reject(closed());
      const settle = (error: Error | undefined, answer: Answer | undefined): void => (answer ? resolve(answer) : reject(error!));
      this.poolOf(request.origin).dispatch(new Exchange(serialize(request), terms, this.options.timeoutMs, settle));
    });
  }

  /** Closes every connection; what is in flight is rejected. */
  close(): void {
    this.isClosed = true;
    clearInterval(this.sweeper);
    for (const pool of [...this.pools.values()]) pool.close(closed());
  }

  private poolOf(origin: string): OriginPool {
    let pool = this.pools.get(origin);
    if (!pool) {
      const onEmpty = (): void => void this.pools.delete(origin);
      pool = new OriginPool(new URL(origin), this.options.connectionsPerOrigin, this.connect, onEmpty);
      this.pools.set(origin, pool);
    }
    return pool;
  }

  private closeIdle(): void {
    const now = performance.now();
    for (const pool of this.pools.values()) pool.closeIdle(now);
  }
}

/** A request as it goes over the wire. */
function serialize({ method, origin, path, headers, body }: WebhookRequest): string {
  let head = `${method} ${path} HTTP/1.1\r\nhost: ${origin.slice(origin.indexOf('/') + 2)}\r\nconnection: keep-alive\r\n`;
  for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
  return body === undefined ? `${head}\r\n` : `${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

function closed(): AttemptFailure {
  return new AttemptFailure('the sender was stopped');
}
