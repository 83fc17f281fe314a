import { lookup, type LookupAddress } from 'node:dns';

type LookupCallback = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void;

/** Finds every address of a name. */
export type HostLookup = (hostname: string, callback: LookupCallback) => void;

/** Most addresses of a name that are tried: contract §6. */
const MAX_ADDRESSES = 8;

/** As the machine is set up: hosts file, search domains and all. */
export const systemLookup: HostLookup = (hostname, callback) => lookup(hostname, { all: true }, callback);

/**
 * getaddrinfo runs on a handful of threads that all hosts share: one call a host at a time, whoever asks, so that a host
 * whose name server hangs takes one thread and not all.
 */
export function createSharedLookup(lookupHost: HostLookup): HostLookup {
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

/** Puts a name's addresses in the order in which they are tried: the families in turn, the first one's first (RFC 8305 §4). */
export function inTurn(addresses: readonly LookupAddress[]): string[] {
  const first = addresses[0]?.family;
  const preferred = addresses.filter(({ family }) => family === first);
  const others = addresses.filter(({ family }) => family !== first);
  const ordered = preferred.flatMap((one, index) => [one, ...others.slice(index, index + 1)]);
  const all = [...ordered, ...others.slice(preferred.length)].map(({ address }) => address);
  return [...new Set(all)].slice(0, MAX_ADDRESSES);
}
