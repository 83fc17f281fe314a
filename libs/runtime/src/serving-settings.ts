import { z } from 'zod';
import { commaList, duration, networks, port } from './setting-types.js';

/** What stands between a service and those who call it: contract §8. */

const LONGEST_DELAY_MS = 3_600_000;

const shutdownDelay = duration.refine((ms) => ms <= LONGEST_DELAY_MS, 'must be at most 1h');

const ANY_ORIGIN = '*';

const origins = commaList.transform((parts, context) => {
  for (const part of parts) {
    if (part !== ANY_ORIGIN && !isOrigin(part))
      context.addIssue({
        code: 'custom',
        message: `"${part}" is no origin as browsers write it: scheme and host in small letters, and a port that is not the usual one, such as https://app.example.com, without a path or slash at its end; or * for all`,
      });
  }
  return parts;
});

function isOrigin(text: string): boolean {
  return /^https?:\/\/[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

export const servingSettings = {
  OPERATIONS_PORT: port
    .optional()
    .describe('Port of /health/* and /metrics, which are then not on any other port. Unset: the service’s own port.'),
  SHUTDOWN_DELAY: shutdownDelay
    .default(0)
    .describe(
      'After SIGTERM a service says at once that it is not ready, and still answers requests for this long before it stops, so that callers find another instance. Default 0s.',
    ),
  TRUST_PROXY: networks
    .default([])
    .describe(
      'Addresses and CIDRs, comma-separated, of proxies whose X-Forwarded-For, -Host and -Proto are believed. Default: none.',
    ),
  CORS_ORIGINS: origins
    .default([])
    .describe('Origins, comma-separated, whose pages may call subscription-api from a browser, or *. Default: none.'),
} satisfies Record<string, z.ZodType>;
