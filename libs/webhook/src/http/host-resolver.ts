import type { LookupAddress, RecordWithTtl } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { LRUCache } from 'lru-cache';
import { within } from '#runtime';
import { SystemFile } from './system-file.js';
import { candidatesOf, parseHosts, parseSearchRules } from './system-names.js';

/** Longest that a name is looked for, in milliseconds. */
const TIMEOUT_MS = 2000;
/** Until a name server that says nothing is asked again, in milliseconds. */
const RETRANSMIT_MS = 700;
/** Names that one client may have looked up at the same time. Its others wait, and nobody else's. */
const NAMES_AT_ONCE = 16;
const MAX_NAMES = 10_000;
/** An answer is kept for as long as it says, and at most for this long, in milliseconds. */
const MAX_TTL_MS = 60_000;
/** How long it is known that a name has no addresses, or that nobody answers for it, in milliseconds. */
const FAILURE_TTL_MS = { ENOTFOUND: 5000, EAI_AGAIN: 3000 };
/** When one family's addresses are there, the other's are waited for this long, in milliseconds (RFC 8305 §3). */
const RESOLUTION_DELAY_MS = 50;

const LOOPBACK: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

/** Why there are no addresses: the name has none, or that could not be found out. Named as getaddrinfo does. */
type FailureCode = keyof typeof FAILURE_TTL_MS;
type Resolution = readonly LookupAddress[] | FailureCode;

/** Finds every address of a name, counted to a client's share. */
export type HostLookup = (hostname: string, clientId: number) => Promise<readonly LookupAddress[]>;

/** A name has no addresses, or they could not be found out. */
export class HostLookupError extends Error {
  override readonly name = 'HostLookupError';

  constructor(readonly code: FailureCode) {
    super(code === 'ENOTFOUND' ? 'host name not found' : 'host name lookup failed');
  }
}

export interface HostResolverOptions {
  readonly hostsFile?: string;
  readonly resolvConf?: string;
  /** Name servers instead of the system's, as `address:port`. */
  readonly servers?: readonly string[];
}

/** The lookups of one client. */
class ClientLookups {
  running = 0;
  /** Callbacks of lookups that wait for their turn, in order. */
  readonly waiting = new Set<() => void>();
}

/**
 * Finds the addresses of names as the machine is set up: hosts file, search list and name servers. It asks the name servers itself,
 * since getaddrinfo occupies one of a handful of threads for as long as a name server is silent, and silent names of one client
 * must not keep another's from being found (contract §7.5). A client has so many lookups at once and no more, a name is asked for
 * once at a time, and answers and failures are kept for a while.
 */
export class HostResolver {
  private readonly cache = new LRUCache<string, Resolution>({ max: MAX_NAMES });
  private readonly running = new Map<string, Promise<Resolution>>();
  private readonly clients = new Map<number, ClientLookups>();
  private readonly hosts: SystemFile<Map<string, string[]>>;
  private readonly searchRules: SystemFile<ReturnType<typeof parseSearchRules>>;
  private resolver: Resolver | undefined;

  constructor(private readonly options: HostResolverOptions = {}) {
    const { hostsFile = '/etc/hosts', resolvConf = '/etc/resolv.conf' } = options;
    this.hosts = new SystemFile(hostsFile, parseHosts);
    this.searchRules = new SystemFile(resolvConf, (text) => {
      this.resolver = undefined; // the next one reads the name servers anew
      return parseSearchRules(text);
    });
  }

  /**
   * Finds every address of a name.
   *
   * @param clientId whose share of the lookups it takes
   * @throws HostLookupError when it has none, or when that could not be found out within 2 s
   */
  async resolve(hostname: string, clientId: number): Promise<readonly LookupAddress[]> {
    const name = hostname.toLowerCase();
    const finding = this.cache.get(name) ?? (await (this.running.get(name) ?? this.takeTurn(name, clientId)));
    if (typeof finding === 'string') throw new HostLookupError(finding);
    return finding;
  }

  private async takeTurn(name: string, clientId: number): Promise<Resolution> {
    let client = this.clients.get(clientId);
    if (!client) this.clients.set(clientId, (client = new ClientLookups()));
    if (client.running >= NAMES_AT_ONCE && !(await waitForTurn(client))) return 'EAI_AGAIN';
    client.running += 1;
    try {
      // Somebody else may have looked for it meanwhile.
      return this.cache.get(name) ?? (await (this.running.get(name) ?? this.lookUp(name)));
    } finally {
      client.running -= 1;
      const [next] = client.waiting;
      next?.();
      if (client.running === 0 && client.waiting.size === 0) this.clients.delete(clientId);
    }
  }

  private lookUp(name: string): Promise<Resolution> {
    const finding = this.find(name).finally(() => this.running.delete(name));
    this.running.set(name, finding);
    return finding;
  }

  private async find(name: string): Promise<Resolution> {
    const hosts = await this.hosts.read();
    const fixed = hosts?.get(name.replace(/\.$/, ''));
    if (fixed) return fixed.map(toLookupAddress);
    if (/(?:^|\.)localhost\.?$/.test(name)) return LOOPBACK; // RFC 6761, where the hosts file does not name it
    const records = await within(TIMEOUT_MS, this.ask(name), () => 'EAI_AGAIN' as const);
    if (typeof records === 'string') {
      this.cache.set(name, records, { ttl: FAILURE_TTL_MS[records] });
      return records;
    }
    const ttlMs = Math.min(MAX_TTL_MS, ...records.map(({ ttl }) => ttl * 1000));
    const addresses = records.map(({ address }) => toLookupAddress(address));
    if (ttlMs > 0) this.cache.set(name, addresses, { ttl: ttlMs });
    return addresses;
  }

  /** Asks for a name and what the search list makes of it, in turn, until one has addresses. */
  private async ask(name: string): Promise<RecordWithTtl[] | FailureCode> {
    const rules = (await this.searchRules.read()) ?? { search: [], ndots: 1 };
    const resolver = (this.resolver ??= this.createResolver());
    let failure: FailureCode = 'ENOTFOUND';
    for (const candidate of candidatesOf(name, rules)) {
      const answer = await askBothFamilies(resolver, candidate);
      if (typeof answer !== 'string') return answer;
      if (answer === 'EAI_AGAIN') failure = answer;
    }
    return failure;
  }

  private createResolver(): Resolver {
    const resolver = new Resolver({ timeout: RETRANSMIT_MS, tries: 2 });
    if (this.options.servers) resolver.setServers(this.options.servers);
    return resolver;
  }
}

/** IPv4 first: a machine without IPv6 has it nowhere, one without IPv4 is told so at once. */
async function askBothFamilies(resolver: Resolver, name: string): Promise<RecordWithTtl[] | FailureCode> {
  const found: RecordWithTtl[][] = [[], []];
  let failure: FailureCode = 'ENOTFOUND';
  const questions = [resolver.resolve4(name, { ttl: true }), resolver.resolve6(name, { ttl: true })].map(
    async (question, family) => {
      try {
        found[family] = await question;
      } catch (error) {
        if (!isAbsence(error)) failure = 'EAI_AGAIN';
      }
      return found[family]!.length > 0;
    },
  );
  await allOrFirstAndDelay(questions);
  const records = found.flat();
  return records.length > 0 ? records : failure;
}

/** Resolves when all questions are answered, or some time after the first that has found something. */
function allOrFirstAndDelay(questions: readonly Promise<boolean>[]): Promise<void> {
  return new Promise((resolve) => {
    let open = questions.length;
    for (const question of questions) {
      void question.then((hasFound) => {
        open -= 1;
        if (open === 0) resolve();
        else if (hasFound) setTimeout(resolve, RESOLUTION_DELAY_MS);
      });
    }
  });
}

/** @returns false when that took longer than a lookup may */
function waitForTurn({ waiting }: ClientLookups): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (hasTurn: boolean): void => {
      clearTimeout(timer);
      waiting.delete(onTurn);
      resolve(hasTurn);
    };
    const onTurn = (): void => settle(true);
    const timer = setTimeout(() => settle(false), TIMEOUT_MS);
    waiting.add(onTurn);
  });
}

/** Whether a name server said that there is no such name, or no such address of it. */
function isAbsence(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOTFOUND' || error.code === 'ENODATA');
}

function toLookupAddress(address: string): LookupAddress {
  return { address, family: isIP(address) };
}
