import type { LookupAddress } from 'node:dns';

/** Most addresses of a name that are tried: contract §6. */
const MAX_ADDRESSES = 8;

/** Puts a name's addresses in the order in which they are tried: the families in turn, the first one's first (RFC 8305 §4). */
export function inTurn(addresses: readonly LookupAddress[]): string[] {
  const first = addresses[0]?.family;
  const preferred = addresses.filter(({ family }) => family === first);
  const others = addresses.filter(({ family }) => family !== first);
  const ordered = preferred.flatMap((one, index) => [one, ...others.slice(index, index + 1)]);
  const all = [...ordered, ...others.slice(preferred.length)].map(({ address }) => address);
  return [...new Set(all)].slice(0, MAX_ADDRESSES);
}
