import { isIP } from 'node:net';

/** Rules of `/etc/resolv.conf` for names that are not written out in full. */
export interface SearchRules {
  /** Domains that are put behind a name, in turn. */
  readonly search: readonly string[];
  /** A name with at least so many dots is asked for as it is first. */
  readonly ndots: number;
}

/** The system's limits, as in glibc. */
const MAX_SEARCH = 6;
const MAX_NDOTS = 15;

/** Reads the search rules of a `resolv.conf`; of several lines the last one counts. Pure. */
export function parseSearchRules(text: string): SearchRules {
  let search: string[] = [];
  let ndots = 1;
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'search' || keyword === 'domain') search = values.slice(0, keyword === 'domain' ? 1 : MAX_SEARCH);
    if (keyword === 'options') {
      for (const option of values) {
        const asked = /^ndots:(\d+)$/.exec(option)?.[1];
        if (asked !== undefined) ndots = Math.min(Number(asked), MAX_NDOTS);
      }
    }
  }
  return { search: search.map((domain) => domain.replace(/\.$/, '')).filter((domain) => domain !== ''), ndots };
}

/** Lists the names that are asked for in turn to find a host, as the system's own resolver does. Pure. */
export function candidatesOf(hostname: string, { search, ndots }: SearchRules): string[] {
  if (hostname.endsWith('.')) return [hostname.slice(0, -1)];
  const searched = search.map((domain) => `${hostname}.${domain}`);
  const dots = hostname.split('.').length - 1;
  return dots >= ndots ? [hostname, ...searched] : [...searched, hostname];
}

/** Reads a hosts file: the addresses of each name, in lower case, in the order of the file. Pure. */
export function parseHosts(text: string): Map<string, string[]> {
  const hosts = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address, ...names] = line.replace(/#.*$/, '').trim().split(/\s+/);
    if (address === undefined || isIP(address) === 0) continue;
    for (const name of names) {
      const key = name.toLowerCase();
      hosts.set(key, [...(hosts.get(key) ?? []), address]);
    }
  }
  return hosts;
}
