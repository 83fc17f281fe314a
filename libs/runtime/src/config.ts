import { z } from 'zod';
import { parseDuration } from './duration.js';
import { StartError } from './start-error.js';

/**
 * All settings of all services: contract §8. This file is the only reader of `process.env`; everything else is handed a
 * typed configuration. `describeSettings` feeds `.env.example`: a setting is documented where it is defined.
 */

const duration = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms === undefined) {
    context.addIssue({ code: 'custom', message: `"${text}" is not a duration such as 500ms, 10s, 2m or 24h` });
    return z.NEVER;
  }
  return ms;
});

const signingKeyLifetime = duration.refine((ms) => ms >= 3_600_000, 'must be at least 1h, the life of a token');

/** A claim is found by its whole name, also where that is a URL. */
const claimName = z.string().min(1);

const issuerUrl = z.string().refine((text) => isSecureUrl(text) && !/[?#@]/.test(text), {
  error: 'must be an https URL without query and fragment (http on loopback only), exactly as the issuer names itself',
});

const publicUrl = z
  .string()
  .refine((text) => URL.canParse(text) && /^https?:\/\/[^\s?#@]+$/i.test(text), {
    error: 'must be an absolute http(s) URL without credentials, query and fragment, such as https://rollcall.example.com',
  })
  .transform((text) => text.replace(/\/+$/, ''));

const commaList = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);

const port = z.coerce.number({ error: 'must be a port number' }).int().min(0).max(65535);

const ports = commaList.transform((parts, context) =>
  parts.map((part) => {
    const [from = '', to = from] = part.split('-').map((text) => text.trim());
    const range = { from: Number(from), to: Number(to) };
    const isRange = /^\d+( *- *\d+)?$/.test(part) && range.from >= 1 && range.from <= range.to && range.to <= 65_535;
    if (!isRange) context.addIssue({ code: 'custom', message: `"${part}" is neither a port nor a range such as 1024-65535` });
    return range;
  }),
);

const rateLimit = z.string().transform((text, context) => {
  if (text === 'off') return null; // not undefined, which would be the default
  const match = /^(\d+)\/(\d+(?:ms|s|m|h|d))$/.exec(text);
  const windowMs = match && parseDuration(match[2]!);
  if (!match || !windowMs || Number(match[1]) < 1) {
    context.addIssue({ code: 'custom', message: `"${text}" is neither "off" nor requests per duration such as 6000/1m` });
    return z.NEVER;
  }
  return { requests: Number(match[1]), windowMs };
});

const bootstrapApps = z.string().transform((text, context) => {
  try {
    return z
      .array(
        z.object({
          app_id: z.string().min(1).max(255),
          secret: z.string().min(1).max(1024),
          client_id: z.coerce.number().int().min(0).max(4_294_967_295),
          access: z.enum(['call_api', 'all', 'platform']),
        }),
      )
      .parse(JSON.parse(text));
  } catch {
    // The parser's own message would print the value, and with it the secrets.
    context.addIssue({
      code: 'custom',
      message: 'must be a JSON array of {"app_id","secret","client_id","access"}, access one of call_api, all, platform',
    });
    return z.NEVER;
  }
});

const settings = {
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: 'must be a postgresql:// URL' })
    .optional()
    .describe(
      'PostgreSQL 15 or later, directly or through a pooler in session mode. Unset: the all-in-one starts an embedded one under DATA_DIR; a service on its own needs it.',
    ),
  DATABASE_POOL: z.coerce
    .number()
    .int()
    .min(2)
    .max(200)
    .default(10)
    .describe('Most connections of one service to PostgreSQL. Default 10.'),
  KAFKA_BROKERS: commaList
    .optional()
    .describe('host:port, comma-separated. Unset: the all-in-one uses the in-process bus; a service on its own needs it.'),
  KAFKA_TOPIC_PARTITIONS: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(12)
    .describe('Partitions of topics that are missing and therefore created. Default 12.'),
  DATA_DIR: z.string().default('.rollcall').describe('Where the all-in-one keeps the embedded PostgreSQL. Default .rollcall'),
  HOST: z.string().optional().describe('Address to listen on. Default 127.0.0.1; 0.0.0.0 in the image.'),
  SUBSCRIPTION_API_PORT: port.default(3000).describe('Port of subscription-api. Default 3000.'),
  PRESENCE_PORT: port.default(3001).describe('Port of presence. Default 3001.'),
  DISPATCHER_PORT: port.default(3002).describe('Port of dispatcher (health and metrics). Default 3002.'),
  RECEIVER_PORT: port.default(3003).describe('Port of the demo receiver; all-in-one on loopback only. Default 3003.'),
  BOOTSTRAP_APPS: bootstrapApps
    .optional()
    .describe(
      'Applications made at start if missing: [{"app_id":"…","secret":"…","client_id":12,"access":"call_api|all|platform"}]. Default: the demo applications, all-in-one on loopback only.',
    ),
  ALLOW_DESTINATIONS: commaList
    .optional()
    .describe(
      'CIDRs that notifications may go to although they are not public, comma-separated. Default: none; 127.0.0.0/8,::1 for the all-in-one on loopback.',
    ),
  DESTINATION_PORTS: ports
    .default([{ from: 1, to: 65_535 }])
    .describe(
      'Ports that notifications may go to, on any address: ports and ranges, comma-separated, such as 80,443,1024-65535. Default 1-65535.',
    ),
  DELIVERY_RETRY_SCHEDULE: z
    .string()
    .default('5s,30s,2m,5m,15m,30m,1h,2h,4h,8h,8h')
    .pipe(commaList)
    .pipe(z.array(duration))
    .describe('Delays after the first, second, … failed attempt. Default 5s,30s,2m,5m,15m,30m,1h,2h,4h,8h,8h'),
  DELIVERY_WINDOW: duration.default(24 * 3_600_000).describe('A delivery is tried for this long after its change. Default 24h.'),
  DELIVERY_TIMEOUT: duration.default(10_000).describe('Longest that one attempt may take. Default 10s.'),
  STATUS_HISTORY_RETENTION: duration
    .default(30 * 86_400_000)
    .describe('The log of status changes is kept for this long, in whole days. Default 30d.'),
  AGENT_EVENT_LIMIT: z.coerce.number().int().min(0).default(1000).describe('Agent events a client may have. Default 1000.'),
  RATE_LIMIT: rateLimit
    .default({ requests: 6000, windowMs: 60_000 })
    .describe('REST requests an application may make over all instances, as requests/duration, or off. Default 6000/1m.'),
  ENCRYPTION_KEY: z
    .string()
    .min(16, 'must have at least 16 characters')
    .optional()
    .describe(
      'Seals signing secrets and keys in the database. Keep it secret, and the same for every service. Unset: a development key, with a warning; the all-in-one makes one under DATA_DIR for its embedded PostgreSQL.',
    ),
  SIGNING_KEY_LIFETIME: signingKeyLifetime
    .default(30 * 86_400_000)
    .describe('A key signs tokens for this long before the next one does, at least 1h. Default 30d.'),
  PUBLIC_URL: publicUrl
    .optional()
    .describe(
      'Where others reach subscription-api, such as https://rollcall.example.com: the base of the URLs that it names. Unset: as each request names it.',
    ),
  OIDC_ISSUER: issuerUrl
    .optional()
    .describe(
      'OpenID issuer whose tokens are accepted instead of our own: its URL, exactly as its tokens name it. Same for subscription-api and presence. Unset: our own tokens.',
    ),
  OIDC_AUDIENCE: z
    .string()
    .min(1)
    .optional()
    .describe('The audience (`aud`) that tokens of OIDC_ISSUER must be for; needed with it.'),
  OIDC_CLIENT_CLAIM: claimName
    .default('rollcall_client_id')
    .describe('Claim of tokens of OIDC_ISSUER with the decimal id of the client they act for. Default rollcall_client_id'),
  OIDC_ACCESS_CLAIM: claimName
    .default('rollcall_access')
    .describe('Claim of tokens of OIDC_ISSUER with the access level: call_api, all or platform. Default rollcall_access'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .optional()
    .describe('Least severe log line that is written. Default info; warn for the all-in-one.'),
};

const schema = z
  .object(settings)
  .refine(({ OIDC_ISSUER, OIDC_AUDIENCE }) => OIDC_ISSUER === undefined || OIDC_AUDIENCE !== undefined, {
    path: ['OIDC_AUDIENCE'],
    error: 'is required with OIDC_ISSUER',
  });

/** The settings as read: durations in milliseconds, lists split, defaults filled in. */
export type Settings = z.output<typeof schema>;

/** The settings of a service that runs on its own: database and broker are there. */
export type ServiceSettings = Settings & { DATABASE_URL: string; KAFKA_BROKERS: string[]; HOST: string };

/** What a wrong or missing setting is reported as: one line a setting, and nothing starts. */
export class ConfigError extends StartError {
  override readonly name = 'ConfigError';
}

/**
 * Reads the settings.
 *
 * @param env defaults to the process's environment; an empty value counts as unset
 * @throws ConfigError naming every setting that is wrong, never printing a value that may be a secret
 */
export function readSettings(env: Readonly<Record<string, string | undefined>> = process.env): Settings {
  const given = Object.fromEntries(Object.keys(settings).map((name) => [name, env[name] === '' ? undefined : env[name]]));
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'));
  }
  return parsed.data;
}

/**
 * Reads the settings of a service that runs on its own, which needs a database and a broker: contract §8.
 *
 * @throws ConfigError as {@link readSettings}
 */
export function readServiceSettings(env?: Readonly<Record<string, string | undefined>>): ServiceSettings {
  const read = readSettings(env);
  const missing = (['DATABASE_URL', 'KAFKA_BROKERS'] as const).filter((name) => read[name] === undefined);
  if (missing.length > 0) {
    throw new ConfigError(missing.map((name) => `${name}: is required by a service that runs on its own`).join('\n'));
  }
  return { ...read, DATABASE_URL: read.DATABASE_URL!, KAFKA_BROKERS: read.KAFKA_BROKERS!, HOST: read.HOST ?? '127.0.0.1' };
}

/** Every setting with what it means, for `.env.example`. */
export function describeSettings(): { readonly name: string; readonly description: string }[] {
  return Object.entries(settings).map(([name, { description }]) => ({ name, description: description ?? '' }));
}

/** Whether what a URL answers can be trusted to come from there: https, or http that does not leave this machine. */
export function isSecureUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replace(/^\[(.*)\]$/, '$1')));
}

/** Whether an address to listen on can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
