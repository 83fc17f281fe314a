import { isIP } from 'node:net';
import { z } from 'zod';

/** Types that settings are parsed as. Their messages say what to write instead. */

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads a duration such as `500ms`, `10s`, `2m`, `24h` or `7d`.
 *
 * @returns milliseconds, or undefined when the text is no duration
 */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  if (!match) return undefined;
  return Math.round(Number(match[1]) * UNITS[match[2]!]!);
}

/** A duration; parsed to milliseconds. */
export const duration = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms === undefined) {
    context.addIssue({ code: 'custom', message: `"${text}" is not a duration such as 500ms, 10s, 2m or 24h` });
    return z.NEVER;
  }
  return ms;
});

export const commaList = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);

export function wholeNumber(from: number, to: number = Number.MAX_SAFE_INTEGER) {
  const range = to === Number.MAX_SAFE_INTEGER ? `of ${from} or more` : `from ${from} to ${to}`;
  return z
    .string()
    .trim()
    .transform((text, context) => {
      const number = Number(text);
      if (/^\d+$/.test(text) && number >= from && number <= to) return number;
      context.addIssue({ code: 'custom', message: `"${text}" is no whole number ${range}` });
      return z.NEVER;
    });
}

export const port = wholeNumber(0, 65_535);

export const flag = z
  .string()
  .trim()
  .toLowerCase()
  .pipe(z.enum(['true', 'false'], { error: ({ input }) => `"${String(input)}" is neither true nor false` }))
  .transform((text) => text === 'true');

/** Addresses and CIDRs, comma-separated. */
export const networks = commaList.transform((parts, context) => {
  for (const part of parts) {
    if (!isNetwork(part))
      context.addIssue({ code: 'custom', message: `"${part}" is no address or CIDR such as 10.0.0.0/8 or ::1` });
  }
  return parts;
});

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const widest = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return rest.length === 0 && (bits === undefined ? widest > 0 : /^\d{1,3}$/.test(bits) && Number(bits) <= widest);
}

/** Read as true for on, false for off. */
export const onOrOff = z
  .string()
  .trim()
  .toLowerCase()
  .pipe(z.enum(['on', 'off'], { error: ({ input }) => `"${String(input)}" is neither on nor off` }))
  .transform((text) => text === 'on');

/** Tells whether an address to listen on can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Tells whether answers of a URL can be trusted to come from it: https, or http that does not leave this machine. */
export function isSecureUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replace(/^\[(.*)\]$/, '$1')));
}
