import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, describeSettings, readServiceSettings, readSettings } from './config.js';
import { isLoopback, parseDuration } from './setting-types.js';

describe('settings', () => {
  it('has the defaults of the contract', () => {
    expect(readSettings({})).toMatchObject({
      SUBSCRIPTION_API_PORT: 3000,
      PRESENCE_PORT: 3001,
      DISPATCHER_PORT: 3002,
      RECEIVER_PORT: 3003,
      KAFKA_TOPIC_PARTITIONS: 12,
      AGENT_EVENT_LIMIT: 1000,
      RATE_LIMIT: { requests: 6000, windowMs: 60_000 },
      DELIVERY_RETRY_SCHEDULE: [5, 30, 120, 300, 900, 1800, 3600, 7200, 14400, 28800, 28800].map((seconds) => seconds * 1000),
      DELIVERY_WINDOW: 86_400_000,
      DELIVERY_TIMEOUT: 10_000,
      DELIVERY_LOG_RETENTION: 14 * 86_400_000,
      STATUS_HISTORY_RETENTION: 30 * 86_400_000,
    });
  });

  it('keeps what waits until its window ends', () => {
    const window = (DELIVERY_WINDOW: string, others: Record<string, string> = {}) => readSettings({ DELIVERY_WINDOW, ...others });
    expect(() => window('15d')).toThrow(/^DELIVERY_LOG_RETENTION: must not be shorter than DELIVERY_WINDOW/);
    expect(() => window('31d', { DELIVERY_LOG_RETENTION: '40d' })).toThrow(/^STATUS_HISTORY_RETENTION: must not be shorter/);
    expect(() => window('31d')).toThrow(/DELIVERY_LOG_RETENTION: .*\nSTATUS_HISTORY_RETENTION: /);
    expect(window('14d').DELIVERY_WINDOW).toBe(14 * 86_400_000);
    expect(window('20d', { DELIVERY_LOG_RETENTION: '20d' }).DELIVERY_LOG_RETENTION).toBe(20 * 86_400_000);
    expect(readSettings({ DELIVERY_WINDOW: '40d' }, ['DELIVERY_WINDOW'])).toEqual({ DELIVERY_WINDOW: 40 * 86_400_000 });
  });

  it('reads an external issuer, over https or from this machine, and only with the audience', () => {
    expect(readSettings({})).toMatchObject({
      OIDC_CLIENT_CLAIM: 'rollcall_client_id',
      OIDC_ACCESS_CLAIM: 'rollcall_access',
      SIGNING_KEY_LIFETIME: 30 * 86_400_000,
    });
    const issuer = (url: string) => () => readSettings({ OIDC_ISSUER: url, OIDC_AUDIENCE: 'rollcall' });
    for (const url of ['https://id.example.org', 'https://id.example.org/realms/a/', 'http://127.0.0.1:8080', 'http://[::1]:1/a'])
      expect(issuer(url)()).toMatchObject({ OIDC_ISSUER: url });
    for (const url of ['http://id.example.org', 'id.example.org', 'https://a@b/', 'https://b/?a', 'https://b/#', 'ftp://b/'])
      expect(issuer(url)).toThrow(/^OIDC_ISSUER: must be an https URL/);
    expect(() => readSettings({ OIDC_ISSUER: 'https://id.example.org' })).toThrow('OIDC_AUDIENCE: is required with OIDC_ISSUER');
    expect(() => readSettings({ SIGNING_KEY_LIFETIME: '59m' })).toThrow('SIGNING_KEY_LIFETIME: must be at least 1h');
  });

  it('takes the slashes off the end of PUBLIC_URL', () => {
    for (const url of ['https://rollcall.example.com', 'https://rollcall.example.com/', 'https://rollcall.example.com//'])
      expect(readSettings({ PUBLIC_URL: url }).PUBLIC_URL).toBe('https://rollcall.example.com');
    expect(readSettings({ PUBLIC_URL: 'http://[::1]:3000/base/' }).PUBLIC_URL).toBe('http://[::1]:3000/base');
    for (const url of ['rollcall.example.com', 'ftp://a/', 'https://a@b/', 'https://b/?a', 'https://b/#a', 'https:// b/'])
      expect(() => readSettings({ PUBLIC_URL: url })).toThrow(/^PUBLIC_URL: must be an absolute http/);
  });

  it('reads durations, lists and applications', () => {
    expect(
      readSettings({
        DELIVERY_RETRY_SCHEDULE: '50ms, 1.5s',
        ALLOW_DESTINATIONS: '10.0.0.0/8, ::1',
        DESTINATION_PORTS: '80, 443,1024-65535',
        RATE_LIMIT: 'off',
        BOOTSTRAP_APPS: '[{"app_id":"a","secret":"s","client_id":"12","access":"all"}]',
      }),
    ).toMatchObject({
      DELIVERY_RETRY_SCHEDULE: [50, 1500],
      ALLOW_DESTINATIONS: ['10.0.0.0/8', '::1'],
      DESTINATION_PORTS: [
        { from: 80, to: 80 },
        { from: 443, to: 443 },
        { from: 1024, to: 65_535 },
      ],
      RATE_LIMIT: null,
      BOOTSTRAP_APPS: [{ app_id: 'a', secret: 's', client_id: 12, access: 'all' }],
    });
  });

  it.each(['x', '0', '65536', '443-80', '80-', '-80', '1-2-3', '8e1', '!25'])('refuses the ports %s', (text) => {
    expect(() => readSettings({ DESTINATION_PORTS: `443,${text}` })).toThrow(`DESTINATION_PORTS: "${text}" is neither`);
  });

  it('counts an empty value as unset', () => {
    expect(readSettings({ PRESENCE_PORT: '' }).PRESENCE_PORT).toBe(3001);
  });

  it('names every setting that is wrong', () => {
    expect(() => readSettings({ PRESENCE_PORT: 'x', DELIVERY_WINDOW: '1 day' })).toThrow(ConfigError);
    expect(() => readSettings({ PRESENCE_PORT: 'x', DELIVERY_WINDOW: '1 day' })).toThrow(/PRESENCE_PORT.*\n?.*DELIVERY_WINDOW/s);
  });

  it('never prints a secret', () => {
    const apps = '[{"app_id":"a","secret":"hunter2","client_id":12,"access":"root"}]';
    expect(() => readSettings({ BOOTSTRAP_APPS: apps })).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('hunter2') as string }),
    );
  });

  it('wants a database and a broker for a service on its own', () => {
    expect(() => readServiceSettings([], {})).toThrow(/DATABASE_URL: .*\nKAFKA_BROKERS: /);
    expect(readServiceSettings([], { DATABASE_URL: 'postgresql://u:p@h/d', KAFKA_BROKERS: 'a:1,b:2' }).KAFKA_BROKERS).toEqual([
      'a:1',
      'b:2',
    ]);
  });

  it('describes every setting', () => {
    expect(describeSettings().filter(({ description }) => description === '')).toEqual([]);
  });
});

describe('what the platform sets under our names', () => {
  it.each([
    ['SUBSCRIPTION_API_PORT', 3000],
    ['PRESENCE_PORT', 3001],
    ['DISPATCHER_PORT', 3002],
    ['RECEIVER_PORT', 3003],
  ] as const)('counts %s of a Kubernetes Service as unset', (name, fallback) => {
    for (const link of ['tcp://10.96.0.12:3001', 'udp://10.96.0.12:53', 'sctp://[fd00::1]:7', 'TCP://10.0.0.1:1'])
      expect(readSettings({ [name]: link })[name]).toBe(fallback);
    expect(() => readSettings({ [name]: 'http://10.96.0.12' })).toThrow(`${name}: "http://10.96.0.12" is no whole number`);
  });

  it('says what to write where HOST is another tool’s', () => {
    for (const HOST of ['x86_64-conda-linux-gnu', 'http://0.0.0.0', '0.0.0.0:80', '-', 'a b'])
      expect(() => readSettings({ HOST })).toThrow(/^HOST: ".*" is neither an IP address nor a host name: write .*127\.0\.0\.1/);
    for (const HOST of ['::', '::1', '10.0.0.1', 'localhost', 'queue-1.example.org', 'web'])
      expect(readSettings({ HOST }).HOST).toBe(HOST);
  });
});

describe('a process', () => {
  const WRONG = { PRESENCE_PORT: 'x', RATE_LIMIT: 'many', BOOTSTRAP_APPS: '{', DELIVERY_WINDOW: 'soon', LOG_LEVEL: 'loud' };

  it('refuses only the settings that it uses', () => {
    expect(readSettings({ ...WRONG, DATABASE_URL: 'postgresql://h/d' }, ['DATABASE_URL', 'DATA_DIR'])).toEqual({
      DATABASE_URL: 'postgresql://h/d',
      DATA_DIR: '.rollcall',
    });
    const others = { ...WRONG, LOG_LEVEL: '' };
    const needed = { DATABASE_URL: 'postgresql://h/d', KAFKA_BROKERS: 'k:9092' };
    expect(readServiceSettings(['DISPATCHER_PORT'], { ...others, ...needed }).DISPATCHER_PORT).toBe(3002);
    expect(() => readServiceSettings(['RATE_LIMIT'], { ...others, ...needed })).toThrow(/^RATE_LIMIT: .*$/);
  });

  it('tells all that is wrong at once, one line a setting', () => {
    const env = { ...WRONG, OIDC_ISSUER: 'https://id.example.org', NODE_ENV: 'production' };
    const uses = ['PRESENCE_PORT', 'RATE_LIMIT', 'BOOTSTRAP_APPS', 'OIDC_ISSUER', 'OIDC_AUDIENCE', 'ENCRYPTION_KEY'] as const;
    const lines = problemsOf(() => readServiceSettings(uses, env));
    expect(lines.map((line) => line.split(':')[0])).toEqual(
      expect.arrayContaining([
        'DATABASE_URL',
        'KAFKA_BROKERS',
        'LOG_LEVEL',
        'OIDC_AUDIENCE',
        'ENCRYPTION_KEY',
        ...uses.slice(0, 3),
      ]),
    );
    expect(lines).toHaveLength(8);
  });

  it.each([
    ['LOG_LEVEL', 'INFO', 'info'],
    ['LOG_LEVEL', ' Warn ', 'warn'],
    ['PRESENCE_PORT', ' 8080 ', 8080],
    ['ALLOW_DEVELOPMENT_KEY', 'TRUE', true],
  ] as const)('reads %s=%s', (name, text, value) => expect(readSettings({ [name]: text })[name]).toBe(value));

  it.each([
    ['LOG_LEVEL', 'warning', 'is none of trace, debug, info, warn, error, fatal, silent'],
    ['DATABASE_POOL', '1', 'is no whole number from 2 to 200'],
    ['AGENT_EVENT_LIMIT', '1e3', 'is no whole number of 0 or more'],
    ['DELIVERY_TIMEOUT', '30d', 'must be from 1ms to 24d'],
    ['DELIVERY_TIMEOUT', '10', 'is not a duration such as'],
    ['ALLOW_DEVELOPMENT_KEY', 'yes', 'is neither true nor false'],
    ['KAFKA_BROKERS', 'kafka', '"kafka" is no host:port'],
    ['KAFKA_BROKERS', ',', 'must name at least one host:port'],
    ['ALLOW_DESTINATIONS', '10.0.0.0/33', 'is no address or CIDR'],
    ['BOOTSTRAP_APPS', '[{"app_id":"a","secret":"hunter2","client_id":12}]', '[0] access'],
    ['BOOTSTRAP_APPS', 'hunter2', 'this is no JSON'],
    ['BOOTSTRAP_APPS', '{"secret":"hunter2"}', 'it is no array'],
  ])('refuses %s=%s in words', (name, text, words) => {
    const [line, ...rest] = problemsOf(() => readSettings({ [name]: text }));
    expect(line).toMatch(new RegExp(`^${name}: `));
    expect(line).toContain(words);
    expect(line).not.toContain('hunter2');
    expect(rest).toEqual([]);
  });

  it('seals nothing with the development key in production, unless told to', () => {
    const needed = { DATABASE_URL: 'postgresql://h/d', KAFKA_BROKERS: 'k:9092' };
    const read = (env: Record<string, string>) => () => readServiceSettings(['ENCRYPTION_KEY'], { ...needed, ...env });
    for (const NODE_ENV of ['production', 'Production', ' production']) {
      expect(read({ NODE_ENV })).toThrow(/^ENCRYPTION_KEY: is required with NODE_ENV=production.*ALLOW_DEVELOPMENT_KEY=true/);
      expect(read({ NODE_ENV, ALLOW_DEVELOPMENT_KEY: 'false' })).toThrow(/^ENCRYPTION_KEY/);
      expect(read({ NODE_ENV, ALLOW_DEVELOPMENT_KEY: 'true' })).not.toThrow();
      expect(read({ NODE_ENV, ENCRYPTION_KEY: 'a key of some length' })).not.toThrow();
    }
    for (const NODE_ENV of ['prod', 'test', 'development', '']) expect(read({ NODE_ENV })).not.toThrow();
    // Neither a service that seals nothing, nor a database of the all-in-one's own, which gets a key of its own.
    expect(() => readServiceSettings(['PRESENCE_PORT'], { ...needed, NODE_ENV: 'production' })).not.toThrow();
    expect(() => readSettings({ NODE_ENV: 'production' })).not.toThrow();
    expect(() => readSettings({ NODE_ENV: 'production', DATABASE_URL: 'postgresql://h/d' })).toThrow(/^ENCRYPTION_KEY/);
  });

  function problemsOf(read: () => unknown): string[] {
    try {
      read();
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      return (error as Error).message.split('\n');
    }
    throw new Error('nothing was refused');
  }
});

describe('a secret in a file', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rollcall-config-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  it('is read, without the line break at its end', async () => {
    const file = join(directory, 'key');
    await writeFile(file, ' a key of some length\r\n');
    expect(readSettings({ ENCRYPTION_KEY_FILE: file, ENCRYPTION_KEY: '' }).ENCRYPTION_KEY).toBe(' a key of some length');
    await writeFile(file, 'postgresql://u:p@h/d\n');
    expect(readServiceSettings([], { DATABASE_URL_FILE: file, KAFKA_BROKERS: 'k:1' }).DATABASE_URL).toBe('postgresql://u:p@h/d');
  });

  it('is refused where it cannot be had, or stands in the environment too', async () => {
    const missing = join(directory, 'missing');
    const empty = join(directory, 'empty');
    await writeFile(empty, '\n');
    const read = (env: Record<string, string>) => () => readSettings(env);
    expect(read({ ENCRYPTION_KEY_FILE: missing })).toThrow(`ENCRYPTION_KEY_FILE: ${missing} cannot be read (ENOENT)`);
    expect(read({ BOOTSTRAP_APPS_FILE: directory })).toThrow(`BOOTSTRAP_APPS_FILE: ${directory} cannot be read (EISDIR)`);
    expect(read({ DATABASE_URL_FILE: empty })).toThrow(`DATABASE_URL_FILE: ${empty} is empty`);
    expect(read({ ENCRYPTION_KEY_FILE: missing, ENCRYPTION_KEY: 'a key of some length' })).toThrow(
      'ENCRYPTION_KEY: is set, and ENCRYPTION_KEY_FILE too: unset one of them',
    );
  });
});

describe('isLoopback', () => {
  it.each(['127.0.0.1', '127.9.9.9', '::1', 'localhost'])('%s is', (host) => expect(isLoopback(host)).toBe(true));
  it.each(['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.org'])('%s is not', (host) => expect(isLoopback(host)).toBe(false));
});

describe('parseDuration', () => {
  it.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
  ])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));
  it.each(['', '5', 's', '-1s', '1 day', '1e3s'])('"%s" is no duration', (text) => expect(parseDuration(text)).toBeUndefined());
});
