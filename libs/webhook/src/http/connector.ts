import type { LookupAddress } from 'node:dns';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { LRUCache } from 'lru-cache';
import { inTurns } from '#runtime';
import { portOf, type AddressGuard } from '../address-guard.js';
import { AttemptFailure, tlsFailure } from '../failure.js';
import type { HostLookup } from './host-resolver.js';

/** Most addresses of a name that are tried: contract §6. */
const MAX_ADDRESSES = 8;
/** Longest that a connection may take to come up, name and TLS included, in milliseconds: contract §6. */
const CONNECT_TIMEOUT_MS = 5000;
/** From the start of one address to that of the next, in milliseconds: contract §6, RFC 8305 §5. */
const NEXT_ADDRESS_MS = 250;
/** TCP asks after a silent peer from then on, in milliseconds. */
const TCP_KEEP_ALIVE_MS = 60_000;
/** Most TLS sessions that are remembered, one for each origin. */
const MAX_SESSIONS = 1000;

/** What an address says that was not reached at all; another address's reason tells more. */
const UNREACHED = ['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT'];

/** Called once, never before {@link Connect} has returned. */
export type ConnectCallback = (error: Error | undefined, socket: Socket | undefined) => void;

/** Opens a connection to an origin for a client. Returns what gives the attempt up; the callback is not called after that. */
export type Connect = (origin: URL, clientId: number, callback: ConnectCallback) => () => void;

/**
 * Makes the way out. The guard is asked about every address before it is connected to, and what was judged is what is connected
 * to, so that a name cannot point elsewhere in between (DNS rebinding).
 */
export function createConnector(guard: AddressGuard, lookupHost: HostLookup): Connect {
  const sessions = new LRUCache<string, Buffer>({ max: MAX_SESSIONS });
  return (origin, clientId, callback) => {
    const attempt = new ConnectAttempt(origin, guard, sessions, callback);
    attempt.start((hostname) => lookupHost(hostname, clientId));
    return () => attempt.stop();
  };
}

/** One connection that is to come up: name, addresses side by side (RFC 8305), TLS. */
class ConnectAttempt {
  private readonly host: string;
  private readonly port: number;
  private readonly sockets = new Set<Socket>();
  private readonly deadline: NodeJS.Timeout;
  private nextAddress: NodeJS.Timeout | undefined;
  private addresses: string[] = [];
  private failure: NodeJS.ErrnoException | undefined;
  private isOver = false;
  private stage = 'host name lookup took longer than 5 s';

  constructor(
    private readonly origin: URL,
    private readonly guard: AddressGuard,
    private readonly sessions: LRUCache<string, Buffer>,
    private readonly callback: ConnectCallback,
  ) {
    const { hostname } = origin;
    this.host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
    this.port = portOf(origin);
    this.deadline = setTimeout(() => this.fail(new AttemptFailure(this.stage, 'timeout')), CONNECT_TIMEOUT_MS);
  }

  start(resolve: (hostname: string) => ReturnType<HostLookup>): void {
    const { guard, host, port } = this;
    if (!guard.allowsPort(port)) return this.refuse(`destination port ${port} is not allowed`);
    if (isIP(host) !== 0) {
      if (!guard.allows(host)) return this.refuse(`destination ${host} is not a public address`);
      return this.race([host]);
    }
    resolve(host).then(
      (found) => this.onFound(found),
      (error: Error) => this.fail(error),
    );
  }

  private onFound(found: readonly LookupAddress[]): void {
    if (this.isOver) return;
    const { guard, host } = this;
    const addresses = addressesToTry(found.filter(({ address }) => guard.allows(address)));
    if (addresses.length > 0) this.race(addresses);
    else this.refuse(`destination ${found[0]?.address ?? host} is not a public address`);
  }

  /** Ends it without a word. */
  stop(): void {
    this.isOver = true;
    clearTimeout(this.deadline);
    clearTimeout(this.nextAddress);
    for (const socket of this.sockets) socket.destroy();
  }

  private refuse(why: string): void {
    process.nextTick(() => this.fail(new AttemptFailure(why, 'address')));
  }

  private fail(error: Error): void {
    if (this.isOver) return;
    this.stop();
    this.callback(error, undefined);
  }

  private race(addresses: string[]): void {
    this.stage = 'no connection within 5 s';
    this.addresses = addresses;
    this.tryNext();
  }

  /** Starts the next address, and the one after it some time later or when this one fails; those before go on meanwhile. */
  private tryNext(): void {
    clearTimeout(this.nextAddress);
    const address = this.addresses.shift();
    if (address === undefined) {
      if (this.sockets.size === 0) this.fail(this.failure!);
      return;
    }
    const socket = connectTcp({
      host: address,
      port: this.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    });
    this.sockets.add(socket);
    socket.once('connect', () => this.onConnected(socket));
    socket.on('error', (error: NodeJS.ErrnoException) => this.onRefused(socket, error));
    if (this.addresses.length > 0) this.nextAddress = setTimeout(() => this.tryNext(), NEXT_ADDRESS_MS);
  }

  private onRefused(socket: Socket, error: NodeJS.ErrnoException): void {
    if (this.isOver || !this.sockets.delete(socket)) return;
    if (!this.failure || UNREACHED.includes(this.failure.code ?? '')) this.failure = error;
    this.tryNext();
  }

  private onConnected(socket: Socket): void {
    if (this.isOver) return;
    clearTimeout(this.nextAddress);
    this.sockets.delete(socket);
    for (const slower of this.sockets) slower.destroy();
    this.sockets.clear();
    this.sockets.add(socket);
    if (this.origin.protocol === 'https:') this.secure(socket);
    else this.succeed(socket);
  }

  private secure(plain: Socket): void {
    this.stage = 'TLS: no handshake within 5 s';
    const { host, sessions, origin } = this;
    const session = sessions.get(origin.origin);
    const servername = isIP(host) === 0 ? host.replace(/\.$/, '') : '';
    const socket = connectTls({ socket: plain, host, servername, ALPNProtocols: ['http/1.1'], ...(session && { session }) });
    this.sockets.add(socket);
    socket.on('session', (one) => sessions.set(origin.origin, one));
    socket.once('secureConnect', () => this.succeed(socket));
    socket.on('error', (error: Error) => this.fail(tlsFailure(error)));
  }

  private succeed(socket: Socket): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.deadline);
    this.callback(undefined, socket);
  }
}

/** Puts a name's addresses in the order in which they are tried: the families in turn, the first one's first (RFC 8305 §4). */
export function addressesToTry(addresses: readonly LookupAddress[]): string[] {
  const ordered = inTurns(addresses, ({ family }) => family);
  return [...new Set(ordered.map(({ address }) => address))].slice(0, MAX_ADDRESSES);
}
