import { isIP } from 'node:net';
import { portOf, type AddressGuard } from './address-guard.js';

/** Longest url of an agent event, in characters: contract §3. */
export const MAX_URL_LENGTH = 2048;

// eslint-disable-next-line no-control-regex -- control characters are exactly what is refused
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f]/;

/**
 * Checks whether a url can be registered for notifications: contract §3. Hosts that are addresses are checked here in whatever
 * notation they are written (a URL object turns decimal, octal and hexadecimal ones into dotted form); names are checked
 * when they are connected to.
 *
 * @returns what is wrong with it, in words for people; undefined when nothing is
 */
export function checkUrl(url: string, guard: AddressGuard): string | undefined {
  if (url.length > MAX_URL_LENGTH) return `must have at most ${MAX_URL_LENGTH} characters`;
  if (CONTROL_CHARACTER.test(url) || !url.isWellFormed() || url.trim() !== url) {
    return 'must not contain control characters, or spaces at its ends';
  }
  if (!/^https?:\/\/[^/\\]/i.test(url) || !URL.canParse(url)) return 'must be an absolute http:// or https:// URL';
  const parsed = new URL(url);
  const { username, password, hostname, port } = parsed;
  if (username !== '' || password !== '') return 'must not contain credentials';
  if (port === '0') return 'must not use port 0';
  if (!guard.allowsPort(portOf(parsed))) return `destination port ${portOf(parsed)} is not allowed`;
  const address = addressOf(hostname);
  if (address !== undefined && !guard.allows(address)) return `destination ${address} is not a public address`;
  return undefined;
}

/** The address that a host stands for without asking anybody. */
function addressOf(hostname: string): string | undefined {
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname.replace(/\.$/, '');
  if (isIP(host)) return host;
  return host === 'localhost' || host.endsWith('.localhost') ? '127.0.0.1' : undefined;
}
