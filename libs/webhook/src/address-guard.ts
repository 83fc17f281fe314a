import ipaddr from 'ipaddr.js';
import { StartError } from '#runtime';

/** A range of ports, both ends included. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Public by its range, but it is the host that a virtual machine on Azure asks for its secrets. */
const AZURE_HOST = '168.63.129.16';
/** All that the registries have given out of IPv6; what lies outside is reserved, whether it has a name or not. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');
const ALL_PORTS: readonly PortRange[] = [{ from: 1, to: 65_535 }];
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');

/**
 * Decides which addresses and ports notifications may go to: contract §7.6. Pure; it sees addresses, never names, so it must be
 * asked about the address that is really connected to.
 */
export class AddressGuard {
  private readonly exempt: readonly [Address, number][];

  /**
   * @param allow CIDRs or addresses that are allowed although they are not public: ALLOW_DESTINATIONS
   * @param ports those that are allowed, on exempt addresses too: DESTINATION_PORTS
   * @throws StartError that names the entry that is no CIDR
   */
  constructor(
    allow: readonly string[] = [],
    private readonly ports: readonly PortRange[] = ALL_PORTS,
  ) {
    this.exempt = allow.map(parseExemption);
  }

  /** Tells whether a connection to this address may be made; what is no IP address is refused. */
  allows(address: string): boolean {
    if (!ipaddr.isValid(address)) return false;
    const parsed = unwrap(ipaddr.parse(address));
    return isPublic(parsed) || this.exempt.some((range) => parsed.kind() === range[0].kind() && parsed.match(range));
  }

  /** Tells whether a connection to this port may be made. */
  allowsPort(port: number): boolean {
    return this.ports.some(({ from, to }) => from <= port && port <= to);
  }
}

/** Returns the port that a URL leads to, where none is written too. */
export function portOf({ protocol, port }: { readonly protocol: string; readonly port: string | number }): number {
  return Number(port) || (protocol === 'https:' ? 443 : 80);
}

/** Tells whether an IP address is public unicast, seen through IPv4-mapped and NAT64 forms. */
export function isPublicAddress(address: string): boolean {
  return ipaddr.isValid(address) && isPublic(unwrap(ipaddr.parse(address)));
}

function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  return address instanceof ipaddr.IPv6 ? address.match(GLOBAL_UNICAST) : address.toString() !== AZURE_HOST;
}

/** The IPv4 address that a connection to an IPv4-mapped or NAT64 address ends at. 6to4 and Teredo are refused as they are. */
function unwrap(address: Address): Address {
  if (!(address instanceof ipaddr.IPv6)) return address;
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  return address.match(NAT64) ? new ipaddr.IPv4(address.toByteArray().slice(12)) : address;
}

function parseExemption(text: string): [Address, number] {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text);
  if (!ipaddr.isValid(text))
    throw new StartError(`ALLOW_DESTINATIONS: "${text}" is neither an address nor a CIDR such as 10.0.0.0/8`);
  const address = ipaddr.parse(text);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}
