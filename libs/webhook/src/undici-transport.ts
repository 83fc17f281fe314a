import { lookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { portOf, type AddressGuard } from './address-guard.js';
import { MAX_KEPT_BYTES } from './failure.js';

/** Longest that a connection may take to come up, in milliseconds: contract §6. */
export const CONNECT_TIMEOUT_MS = 5000;
/** What comes beyond is read and dropped up to here, for the connection's sake; then the connection is closed. */
const MAX_DRAINED_BYTES = 64 * 1024;
const KEEP_ALIVE_MS = 4000;

/** The destination's address or port is one that notifications do not go to. */
export class DestinationRefusedError extends Error {
  override readonly name = 'DestinationRefusedError';

  static address(address: string): DestinationRefusedError {
    return new DestinationRefusedError(`destination ${address} is not a public address`);
  }

  static port(port: number): DestinationRefusedError {
    return new DestinationRefusedError(`destination port ${port} is not allowed`);
  }
}

/** The whole exchange did not end in time. */
export class ExchangeTimeoutError extends Error {
  override readonly name = 'ExchangeTimeoutError';
}

/** One exchange that got an answer; a body longer than {@link MAX_KEPT_BYTES} is cut there. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/**
 * An undici agent that asks the guard about every address before it connects to it, in the connector's own lookup: what
 * is checked is what is connected to, so that a name cannot point elsewhere in between (DNS rebinding).
 */
export function createGuardedAgent(guard: AddressGuard, connections: number, lookupHost: HostLookup = systemLookup): Agent {
  const connect = buildConnector({ timeout: CONNECT_TIMEOUT_MS, lookup: guardedLookup(guard, lookupHost) });
  return new Agent({
    connections,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // One deadline covers the whole exchange (see Exchange); undici's own timers would only cost.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: (options, callback) => {
      const port = portOf(options);
      if (!guard.allowsPort(port)) callback(DestinationRefusedError.port(port), null);
      // A literal address is connected to without a lookup.
      else if (isIP(options.hostname) && !guard.allows(options.hostname))
        callback(DestinationRefusedError.address(options.hostname), null);
      else connect(options, callback);
    },
  });
}

function guardedLookup(guard: AddressGuard, lookupHost: HostLookup): LookupFunction {
  const resolve = createSharedLookup(lookupHost);
  return (hostname, options, callback) => {
    resolve(hostname, (error, found) => {
      if (error) return void callback(error, '', 0);
      const allowed = found.filter(({ address }) => guard.allows(address));
      const [first] = allowed;
      if (!first) callback(DestinationRefusedError.address(found[0]?.address ?? hostname), '', 0);
      else if (options.all) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}

type LookupCallback = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void;

/** Finds every address of a name. */
export type HostLookup = (hostname: string, callback: LookupCallback) => void;

/** As the machine is set up: hosts file, search domains and all. */
const systemLookup: HostLookup = (hostname, callback) => lookup(hostname, { all: true }, callback);

/**
 * getaddrinfo runs on a handful of threads that all hosts share: one call a host at a time, whoever asks, so that a host
 * whose name server hangs takes one thread and not all.
 */
function createSharedLookup(lookupHost: HostLookup): HostLookup {
  const running = new Map<string, LookupCallback[]>();
  return (hostname, callback) => {
    const waiting = running.get(hostname);
    if (waiting) return void waiting.push(callback);
    const callbacks = [callback];
    running.set(hostname, callbacks);
    lookupHost(hostname, (error, addresses) => {
      running.delete(hostname);
      for (const one of callbacks) one(error, addresses);
    });
  };
}

/** One request and its answer, as undici's handler: settles once, and may go on draining after that. */
export class Exchange implements Dispatcher.DispatchHandler {
  private controller: Dispatcher.DispatchController | undefined;
  private ended = false;
  private status = 0;
  private headers: RawAnswer['headers'] = {};
  private chunks: Buffer[] | undefined;
  private bytes = 0;
  private failure: Error | undefined;

  /**
   * @param deadline milliseconds of `performance.now()`
   * @param settle called once, with the answer or with what went wrong
   * @param onEnd called once, when the exchange needs no more watching
   */
  constructor(
    readonly deadline: number,
    private settle: ((error: Error | undefined, answer: RawAnswer | undefined) => void) | undefined,
    private readonly onEnd: (exchange: Exchange) => void,
  ) {}

  /** Gives the exchange up, wherever it stands; one that still waits for a connection will not be sent. */
  abort(reason: Error): void {
    this.failure ??= reason;
    this.fail(reason);
    this.controller?.abort(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.failure) controller.abort(this.failure);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: RawAnswer['headers']): void {
    if (status < 200) return; // an interim answer; the real one follows
    this.status = status;
    this.headers = headers;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.bytes < MAX_KEPT_BYTES) (this.chunks ??= []).push(chunk);
    this.bytes += chunk.length;
    if (this.bytes > MAX_KEPT_BYTES) this.succeed();
    if (this.bytes > MAX_DRAINED_BYTES) controller.abort(new Error('answer too long'));
  }

  onResponseEnd(): void {
    this.succeed();
    this.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.fail(this.failure ?? error);
  }

  private succeed(): void {
    const { settle, chunks } = this;
    if (!settle) return;
    this.settle = undefined;
    const body = chunks === undefined ? EMPTY : chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    settle(undefined, { status: this.status, headers: this.headers, body: body.subarray(0, MAX_KEPT_BYTES) });
    this.chunks = undefined;
  }

  private fail(error: Error): void {
    const { settle } = this;
    this.settle = undefined;
    settle?.(error, undefined);
    this.end();
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    this.onEnd(this);
  }
}

const EMPTY = Buffer.alloc(0);
