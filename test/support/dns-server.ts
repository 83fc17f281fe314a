import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { decode, encode, type Answer } from 'dns-packet';
import { HostResolver, type HostLookup } from '../../libs/webhook/src/http/host-resolver.js';

/** A name's addresses, anew for each question, so that a name can change between two of them; undefined: no answer at all. */
export type Zone = (nth: number) => readonly string[] | undefined;

/** A real name server on a UDP port of its own, which knows the names that a test gives it and no others. */
export class DnsServer {
  private readonly zones = new Map<string, { readonly zone: Zone; readonly ttl: number }>();
  private readonly asked = new Map<string, number>();
  private readonly silent = new Set<string>();
  private resolver: HostResolver | undefined;

  private constructor(private readonly socket: Socket) {}

  /** @param address with the port of name servers, where a resolv.conf is to name it, which has no room for another */
  static async start(address = '127.0.0.1', port = 0): Promise<DnsServer> {
    const socket = createSocket('udp4');
    const server = new DnsServer(socket);
    socket.on('message', (packet, from) => {
      const answer = server.answer(packet);
      if (answer) socket.send(answer, from.port, from.address);
    });
    socket.bind(port, address);
    await once(socket, 'listening');
    return server;
  }

  /** Returns the address as name servers are written down: `address:port`. */
  get address(): string {
    const { address, port } = this.socket.address();
    return `${address}:${port}`;
  }

  /**
   * @param zone counts from 1, questions for A and for AAAA each on its own
   * @param ttl of its answers, in seconds
   */
  set(name: string, zone: Zone, ttl = 0): void {
    this.zones.set(name, { zone, ttl });
  }

  /** Never answers this question of a name. */
  silence(name: string, type: 'A' | 'AAAA'): void {
    this.silent.add(`${type} ${name}`);
  }

  /** Returns how often the IPv4 addresses of a name were asked for. */
  questions(name: string): number {
    return this.asked.get(`A ${name}`) ?? 0;
  }

  /** Looks names up at this server alone, as the product does. */
  readonly lookup: HostLookup = (name, clientId) => {
    const none = '/dev/null';
    this.resolver ??= new HostResolver({ servers: [this.address], hostsFile: none, resolvConf: none });
    return this.resolver.resolve(name, clientId);
  };

  async stop(): Promise<void> {
    this.socket.close();
    await once(this.socket, 'close');
  }

  private answer(packet: Buffer): Buffer | undefined {
    const { id, questions } = decode(packet);
    const [question] = questions!;
    const { name, type } = question!;
    const key = `${type} ${name}`;
    const nth = (this.asked.get(key) ?? 0) + 1;
    this.asked.set(key, nth);
    const { zone, ttl } = this.zones.get(name) ?? {};
    const found = this.silent.has(key) ? undefined : zone ? zone(nth) : [];
    const answers = found
      ?.filter((address) => isIP(address) === (type === 'AAAA' ? 6 : 4))
      .map((data): Answer => ({ type: type === 'AAAA' ? 'AAAA' : 'A', name, ttl: ttl ?? 0, data }));
    if (!answers) return undefined;
    return encode({ id: id!, type: 'response', flags: zone ? 0x8400 : 0x8403, questions: questions!, answers });
  }
}
