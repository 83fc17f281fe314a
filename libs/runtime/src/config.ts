import { isIP } from 'node:net';
import { z } from 'zod';
import { lookUp, type Environment } from './environment.js';
import { KAFKA_FILES, kafkaProblems, kafkaSettings } from './kafka-settings.js';
import { servingSettings } from './serving-settings.js';
import { commaList, duration, flag, isSecureUrl, networks, onOrOff, parseDuration, port, wholeNumber } from './setting-types.js';
import { StartError } from './start-error.js';
import { TRACING_FILES, tracingSettings } from './tracing-settings.js';

/**
 * All settings of all services: contract §8. This file is the only reader of `process.env`; everything else is handed a
 * typed configuration. `describeSettings` feeds `.env.example`: a setting is documented where it is defined.
 */

/** Longest that a timer can be set for, in milliseconds; one that is set for longer fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const timeout = duration.refine((ms) => ms > 0 && ms <= LONGEST_TIMER_MS, 'must be from 1ms to 24d');

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

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

const logLevel = z
  .string()
  .trim()
  .toLowerCase()
  .pipe(z.enum(LOG_LEVELS, { error: ({ input }) => `"${String(input)}" is none of ${LOG_LEVELS.join(', ')}` }));

/** Whether there is such a host shows when it is listened on. */
const host = z
  .string()
  .trim()
  .refine((text) => isIP(text) !== 0 || HOST_NAME.test(text), {
    error: ({ input }) =>
      `"${String(input)}" is neither an IP address nor a host name: write the address to listen on, such as 127.0.0.1, or 0.0.0.0 for all (some shells and build tools set HOST for themselves)`,
  });

const HOST_NAME = /^(?=.{1,253}$)[a-z\d]([a-z\d-]*[a-z\d])?(\.[a-z\d]([a-z\d-]*[a-z\d])?)*\.?$/i;

const databaseUrl = z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgresql:// URL' });

const brokers = commaList.transform((parts, context) => {
  for (const part of parts) {
    if (!/^[^\s/]+:\d+$/.test(part)) context.addIssue({ code: 'custom', message: `"${part}" is no host:port` });
  }
  if (parts.length === 0) context.addIssue({ code: 'custom', message: 'must name at least one host:port' });
  return parts;
});

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

const applications = z.array(
  z.object({
    app_id: z.string().min(1).max(255),
    secret: z.string().min(1).max(1024),
    client_id: z.coerce.number().int().min(0).max(4_294_967_295),
    access: z.enum(['call_api', 'all', 'platform']),
  }),
);

/** Says where it is wrong, but never in the parser's words: they would print the value, and with it the secrets. */
const bootstrapApps = z.string().transform((text, context) => {
  const refuse = (where: string): never => {
    const message = `must be a JSON array of {"app_id","secret","client_id","access"}, access one of call_api, all, platform (${where})`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse('this is no JSON');
  }
  const { success, data, error } = applications.safeParse(value);
  if (success) return data;
  const places = error.issues.map(({ path }) => path.map((part) => (typeof part === 'number' ? `[${part}]` : part)).join(' '));
  return refuse(`wrong: ${places.join(', ') || 'it is no array'}`);
});

const settings = {
  DATABASE_URL: databaseUrl
    .optional()
    .describe(
      'URL of PostgreSQL 15 or later, directly or through a pooler in session mode. Unset: the all-in-one starts an embedded PostgreSQL under DATA_DIR; a service on its own needs this setting.',
    ),
  DATABASE_READ_URL: databaseUrl
    .optional()
    .describe(
      'URL of a streaming replica from which subscription-api reads lists: deliveries, series, history, search. A read waits until the replica has everything that was committed before it; if the replica is away or behind, DATABASE_URL answers. Unset: DATABASE_URL.',
    ),
  DATABASE_POOL: wholeNumber(2, 200)
    .default(10)
    .describe('Maximum number of connections of one service to PostgreSQL. Default 10.'),
  KAFKA_BROKERS: brokers
    .optional()
    .describe(
      'Kafka brokers as host:port, comma-separated. Unset: the all-in-one uses the in-process bus; a service on its own needs this setting.',
    ),
  KAFKA_TOPIC_PARTITIONS: wholeNumber(1, 10_000)
    .default(12)
    .describe('Number of partitions with which missing topics are created. Default 12.'),
  ...kafkaSettings,
  DATA_DIR: z.string().default('.rollcall').describe('Where the all-in-one keeps the embedded PostgreSQL. Default .rollcall'),
  HOST: host.optional().describe('Address to listen on. Default 127.0.0.1; 0.0.0.0 in the image.'),
  SUBSCRIPTION_API_PORT: port.default(3000).describe('Port of subscription-api. Default 3000.'),
  PRESENCE_PORT: port.default(3001).describe('Port of presence. Default 3001.'),
  DISPATCHER_PORT: port.default(3002).describe('Port of dispatcher (health and metrics). Default 3002.'),
  ...servingSettings,
  RECEIVER_PORT: port.default(3003).describe('Port of the demo receiver; all-in-one on loopback only. Default 3003.'),
  BOOTSTRAP_APPS: bootstrapApps
    .optional()
    .describe(
      'Applications that are created at the start if they are missing: [{"app_id":"…","secret":"…","client_id":12,"access":"call_api|all|platform"}]. Default: the demo applications, all-in-one on loopback only.',
    ),
  ALLOW_DESTINATIONS: networks
    .optional()
    .describe(
      'CIDRs, comma-separated, to which notifications may be sent although they are not public. Default: none; 127.0.0.0/8,::1 for the all-in-one on loopback.',
    ),
  DESTINATION_PORTS: ports
    .default([{ from: 1, to: 65_535 }])
    .describe(
      'Ports to which notifications may be sent, on any address: ports and ranges, comma-separated, such as 80,443,1024-65535. Default 1-65535.',
    ),
  DELIVERY_RETRY_SCHEDULE: z
    .string()
    .default('5s,30s,2m,5m,15m,30m,1h,2h,4h,8h,8h')
    .pipe(commaList)
    .pipe(z.array(duration))
    .describe('Delays after the first, second, … failed attempt. Default 5s,30s,2m,5m,15m,30m,1h,2h,4h,8h,8h'),
  DELIVERY_WINDOW: duration
    .default(24 * 3_600_000)
    .describe('For how long after its change a delivery is attempted. Default 24h.'),
  DELIVERY_TIMEOUT: timeout.default(10_000).describe('Longest time that one attempt may take. Default 10s.'),
  STATUS_HISTORY_RETENTION: duration
    .default(30 * 86_400_000)
    .describe('For how long status changes are kept, in whole days. Default 30d.'),
  DELIVERY_LOG_RETENTION: duration
    .default(14 * 86_400_000)
    .describe('For how long after their change attempts of deliveries are kept, in whole days. Default 14d.'),
  AGENT_EVENT_LIMIT: wholeNumber(0).default(1000).describe('Number of agent events that a client may have. Default 1000.'),
  RATE_LIMIT: rateLimit
    .default({ requests: 6000, windowMs: 60_000 })
    .describe(
      'REST requests that an application may make, counted over all instances, as requests/duration, or off. Default 6000/1m.',
    ),
  ENCRYPTION_KEY: z
    .string()
    .min(16, 'must have at least 16 characters')
    .optional()
    .describe(
      'The key that encrypts signing secrets and keys in the database. Keep it secret; it must be the same for every service. Unset: a development key that everybody knows, with a warning; with NODE_ENV=production only if ALLOW_DEVELOPMENT_KEY is true. The all-in-one creates one under DATA_DIR for its embedded PostgreSQL.',
    ),
  ENCRYPTION_KEY_PREVIOUS: commaList
    .pipe(z.array(z.string().min(16, 'each must have at least 16 characters')))
    .default([])
    .describe(
      'Further keys, comma-separated, that can decrypt stored secrets while ENCRYPTION_KEY is being replaced: docs/encryption-key.md. Default: none.',
    ),
  ALLOW_DEVELOPMENT_KEY: flag
    .default(false)
    .describe('Whether a service with NODE_ENV=production may start without ENCRYPTION_KEY: true or false. Default false.'),
  NODE_ENV: z
    .string()
    .optional()
    .describe(
      'With `production`, as in the image, a service that encrypts secrets does not start without ENCRYPTION_KEY. Other values make no difference.',
    ),
  SIGNING_KEY_LIFETIME: signingKeyLifetime
    .default(30 * 86_400_000)
    .describe('For how long a key signs tokens before the next key does, at least 1h. Default 30d.'),
  PUBLIC_URL: publicUrl
    .optional()
    .describe(
      'URL at which others reach subscription-api, such as https://rollcall.example.com: the base of the URLs in its answers. Unset: the host of each request.',
    ),
  OIDC_ISSUER: issuerUrl
    .optional()
    .describe(
      'URL of an OpenID issuer whose tokens are accepted instead of our own, exactly as its tokens name it. It must be the same for subscription-api and presence. Unset: our own tokens.',
    ),
  OIDC_AUDIENCE: z
    .string()
    .min(1)
    .optional()
    .describe('The audience (`aud`) that tokens of OIDC_ISSUER must have; required with OIDC_ISSUER.'),
  OIDC_CLIENT_CLAIM: claimName
    .default('rollcall_client_id')
    .describe('Claim, in tokens of OIDC_ISSUER, with the decimal id of the client that they act for. Default rollcall_client_id'),
  OIDC_ACCESS_CLAIM: claimName
    .default('rollcall_access')
    .describe('Claim, in tokens of OIDC_ISSUER, with the access level: call_api, all or platform. Default rollcall_access'),
  OIDC_CONSOLE_CLIENT_ID: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Id of the console at OIDC_ISSUER (a public client, authorization code with PKCE). If set, people sign in to the console there.',
    ),
  CONSOLE: onOrOff.default(true).describe('Whether the console is served at /console/: on or off. Default on.'),
  LOG_LEVEL: logLevel
    .optional()
    .describe(
      'Lowest level of log lines that are written: trace, debug, info, warn, error, fatal or silent. Default info; warn for the all-in-one.',
    ),
  ...tracingSettings,
};

/** The name of a setting. */
export type SettingName = keyof typeof settings;

/** The settings as read: durations in milliseconds, lists split, defaults filled in. */
export type Settings = { [Name in SettingName]: z.output<(typeof settings)[Name]> };

/** The settings of a service that runs on its own: database and broker are there. */
export type ServiceSettings = Settings & { DATABASE_URL: string; KAFKA_BROKERS: string[]; HOST: string };

/** Those that may stand in a file, named by `<NAME>_FILE`: contract §8. */
const SECRETS: ReadonlySet<SettingName> = new Set<SettingName>([
  'DATABASE_URL',
  'DATABASE_READ_URL',
  'BOOTSTRAP_APPS',
  'ENCRYPTION_KEY',
  'ENCRYPTION_KEY_PREVIOUS',
  ...KAFKA_FILES,
  ...TRACING_FILES,
]);

const NAMES = Object.keys(settings) as SettingName[];

/** What a wrong or missing setting is reported as: one line a setting, and nothing starts. */
export class ConfigError extends StartError {
  override readonly name = 'ConfigError';
}

/**
 * Reads settings: those that the process uses, so that nothing else can stop it.
 *
 * @param env the process's environment; an empty value counts as unset
 * @param uses all of them by default
 * @throws ConfigError naming every setting that is wrong, never printing a value that may be a secret
 */
export function readSettings<Name extends SettingName = SettingName>(
  env: Environment = process.env,
  uses: readonly Name[] = NAMES as Name[],
): Pick<Settings, Name> {
  return readNeeding(env, new Set(uses), []) as Pick<Settings, Name>;
}

/** What a service on its own uses, whichever it is. */
const OF_EVERY_SERVICE = ['DATABASE_URL', 'KAFKA_BROKERS', 'HOST', 'LOG_LEVEL', 'SHUTDOWN_DELAY'] as const;

/**
 * Reads the settings that a service on its own uses, beside those of every one; it needs DATABASE_URL and KAFKA_BROKERS: contract §8.
 *
 * @throws ConfigError as {@link readSettings}
 */
export function readServiceSettings<Name extends SettingName>(
  uses: readonly Name[],
  env: Environment = process.env,
): Pick<ServiceSettings, Name | (typeof OF_EVERY_SERVICE)[number]> {
  const read = readNeeding(env, new Set([...OF_EVERY_SERVICE, ...uses]), ['DATABASE_URL', 'KAFKA_BROKERS']);
  return { ...read, HOST: read.HOST ?? '127.0.0.1' } as Pick<ServiceSettings, Name | (typeof OF_EVERY_SERVICE)[number]>;
}

/** All that is wrong is told at once, so that nobody mends one setting only to hear of the next. */
function readNeeding(env: Environment, uses: ReadonlySet<SettingName>, needed: readonly SettingName[]): Partial<Settings> {
  const problems: string[] = [];
  const given = new Set<SettingName>();
  const read = <Name extends SettingName>(name: Name): Settings[Name] | undefined => {
    const found = lookUp(env, name, SECRETS.has(name));
    if (found.problem !== undefined || found.text !== undefined) given.add(name);
    if (found.problem !== undefined) {
      problems.push(`${found.variable}: ${found.problem}`);
      return undefined;
    }
    const { data, error } = settings[name].safeParse(found.text);
    problems.push(...(error?.issues ?? []).map(({ message }) => `${name}: ${message}`));
    return data as Settings[Name] | undefined;
  };
  const values = Object.fromEntries([...uses].map((name) => [name, read(name)]));

  for (const name of needed) {
    if (!given.has(name)) problems.push(`${name}: is required by a service that runs on its own`);
  }
  problems.push(...kafkaProblems(values, given));
  problems.push(...retentionProblems(values));
  if (given.has('OIDC_ISSUER') && !given.has('OIDC_AUDIENCE')) problems.push('OIDC_AUDIENCE: is required with OIDC_ISSUER');
  // The all-in-one's own database gets a key of its own.
  const isOthersDatabase = given.has('DATABASE_URL') || needed.includes('DATABASE_URL');
  if (uses.has('ENCRYPTION_KEY') && !given.has('ENCRYPTION_KEY') && isOthersDatabase) {
    const isProduction = read('NODE_ENV')?.trim().toLowerCase() === 'production';
    if (isProduction && read('ALLOW_DEVELOPMENT_KEY') === false) problems.push(`ENCRYPTION_KEY: ${KEY_NEEDED}`);
  }
  if (problems.length > 0) throw new ConfigError([...new Set(problems)].join('\n'));
  return values;
}

/** What is still to be delivered must not be dropped; of a process that uses these settings. */
function retentionProblems({ DELIVERY_WINDOW: windowMs, ...values }: Partial<Settings>): string[] {
  return (['DELIVERY_LOG_RETENTION', 'STATUS_HISTORY_RETENTION'] as const)
    .filter((name) => (values[name] ?? Infinity) < (windowMs ?? 0))
    .map((name) => `${name}: must not be shorter than DELIVERY_WINDOW: what waits would be dropped before its window ends`);
}

const KEY_NEEDED =
  'is required with NODE_ENV=production: write a secret of at least 16 characters, the same for every service (or, to try things, ALLOW_DEVELOPMENT_KEY=true)';

/** Lists every setting with what it means, for `.env.example`. */
export function describeSettings(): {
  readonly name: string;
  readonly description: string;
  /** Whether `<NAME>_FILE` may name a file that holds it. */
  readonly inFile: boolean;
}[] {
  return NAMES.map((name) => ({ name, description: settings[name].description ?? '', inFile: SECRETS.has(name) }));
}

/** Returns the program that the shell started us with, where it says so: `nohup`, for one. No setting of ours. */
export function startedBy(env: Environment = process.env): string | undefined {
  return env['_'];
}
