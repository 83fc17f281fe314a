import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { constants, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { createSealer } from '#database';
import { call } from '../support/client.js';
import { eventually } from '../support/poll.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { freePorts, ServiceProcess, type Environment } from '../support/process.js';

const SERVICES = ['subscription-api', 'presence', 'dispatcher'] as const;
const NOWHERE = '127.0.0.1:1';
const ANY_PORTS = { SUBSCRIPTION_API_PORT: '0', PRESENCE_PORT: '0', DISPATCHER_PORT: '0', RECEIVER_PORT: '0' };

let database: TestDatabase;
let silent: Server;
const running: ServiceProcess[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
});
afterEach(async () => {
  for (const service of running.splice(0)) await service.stop('SIGKILL');
});
afterAll(async () => {
  silent.close();
  await database.drop();
});

function start(name: string, environment: Environment, ...args: string[]): ServiceProcess {
  const service = ServiceProcess.start(name, { ...ANY_PORTS, ...environment }, { args });
  running.push(service);
  return service;
}

const separate = (environment: Environment): Environment => ({
  DATABASE_URL: database.url,
  KAFKA_BROKERS: NOWHERE,
  ...environment,
});

describe('a service that waits', () => {
  const awayDatabases = () => ({
    'is not there': `postgresql://u:p@${NOWHERE}/d`,
    'never answers': `postgresql://u:p@127.0.0.1:${(silent.address() as AddressInfo).port}/d`,
  });

  it.each(SERVICES.flatMap((name) => (['is not there', 'never answers'] as const).map((how) => [name, how] as const)))(
    '%s for a database that %s ends on SIGTERM at once, with 0',
    async (name, how) => {
      const service = start(name, separate({ DATABASE_URL: awayDatabases()[how], LOG_LEVEL: 'info' }));
      if (how === 'is not there') await eventually('a look at the database', () => service.output.includes('database.waiting'));
      else await once(silent, 'connection');
      const told = performance.now();
      expect(await service.stop('SIGTERM')).toBe(0);
      expect(performance.now() - told).toBeLessThan(10_000); // the patience with the database is a minute, with the stop 25 s
    },
    60_000,
  );

  it.each(['presence', 'dispatcher'])('%s for its broker ends on SIGTERM at once, with 0', async (name) => {
    const service = start(name, separate({ LOG_LEVEL: 'info' }));
    await eventually('a look at the broker', () => service.output.includes('bus.ensure_topics_failed'));
    expect(await service.stop('SIGTERM')).toBe(0);
    expect(service.output).not.toContain('stop_timed_out');
  });

  it('says so once a second at most, without a stack', async () => {
    const service = start('presence', separate({ DATABASE_URL: awayDatabases()['is not there'] }));
    const attempts = () => [...service.output.matchAll(/"attempt":(\d+)/g)].map(([, attempt]) => Number(attempt));
    await eventually('six looks at the database', () => (attempts().at(-1) ?? 0) >= 6);
    const times = [...service.output.matchAll(/"time":"([^"]+)"/g)].map(([, time]) => Date.parse(time!));
    for (const [i, time] of times.slice(1).entries()) expect(time - times[i]!).toBeGreaterThan(900);
    expect(service.output).not.toContain('"stack"');
  });

  it.each([['applications', 'list'], ['keys', 'list'], ['migrate']])(
    'the command %s ends on SIGTERM too, and does not say that it is done',
    async (...args) => {
      const command = start('cli', { DATABASE_URL: awayDatabases()['never answers'] }, ...args);
      await once(silent, 'connection');
      expect(await command.stop('SIGTERM')).toBe(128 + constants.signals.SIGTERM);
      expect(command.output).toBe('Told to end before it was done.\n');
    },
  );

  it('the all-in-one for somebody else who migrates its database says so, and ends on SIGTERM at once, with 0', async () => {
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    const dataDir = await mkdtemp(join(tmpdir(), 'rollcall-lifetime-'));
    try {
      await other.query('select pg_advisory_lock(7262001)');
      const service = start('all-in-one', { DATABASE_URL: database.url, DATA_DIR: dataDir });
      await eventually('its word', () => service.output.includes('waiting for another process that migrates this database'));
      const told = performance.now();
      expect(await service.stop('SIGTERM')).toBe(0);
      expect(performance.now() - told).toBeLessThan(10_000);
    } finally {
      await other.end();
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});

describe('settings that stop a service', () => {
  it.each([
    ['presence', { HOST: 'x86_64-conda-linux-gnu' }, /^HOST: "x86_64-conda-linux-gnu" is neither .*127\.0\.0\.1.*$/],
    ['subscription-api', { HOST: '192.0.2.1' }, /^HOST: "192\.0\.2\.1" is no address of this machine: write .*$/],
    ['dispatcher', { HOST: 'no-such-host.invalid' }, /^HOST: "no-such-host\.invalid" is no address of this machine: write .*$/],
    ['all-in-one', { HOST: '192.0.2.1', DATA_DIR: '/tmp' }, /^HOST: "192\.0\.2\.1" is no address of this machine: write .*$/],
    ['all-in-one', { DATA_DIR: '/dev/null' }, /^DATA_DIR: \/dev\/null cannot be used \(.*\): name a directory .*$/],
    ['all-in-one', { DATA_DIR: '/dev/null/data' }, /^DATA_DIR: \/dev\/null\/data cannot be used \(.*\): name a directory .*$/],
    ['presence', { LOG_LEVEL: 'loud', KAFKA_BROKERS: '' }, /^LOG_LEVEL: .*\nKAFKA_BROKERS: .*$/],
    ['dispatcher', { NODE_ENV: 'production' }, /^ENCRYPTION_KEY: is required with NODE_ENV=production.*$/],
  ])('%s with %o: words, no stack', async (name, environment: Environment, words) => {
    const service = start(name, name === 'all-in-one' ? environment : separate(environment));
    expect(await service.exited()).toBe(1);
    expect(
      service.output
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('{'))
        .join('\n'),
    ).toMatch(words);
    expect(service.output).not.toContain('    at ');
    expect(service.output).not.toContain('"stack"');
  });

  it.skipIf(userInfo().uid === 0)('a port for which it lacks the rights', async () => {
    const service = start('presence', separate({ PRESENCE_PORT: '80' }));
    expect(await service.exited()).toBe(1);
    expect(service.output).toContain('set PRESENCE_PORT to one from 1024 up.');
  });

  it('are not those of others, nor what Kubernetes injects', async () => {
    const [port] = await freePorts(1);
    const others = { RATE_LIMIT: 'x', AGENT_EVENT_LIMIT: 'x', PRESENCE_PORT: 'tcp://10.96.0.12:3001', BOOTSTRAP_APPS: '{' };
    const dispatcher = start('dispatcher', separate({ ...others, DISPATCHER_PORT: String(port) }));
    await eventually('live', async () => (await call(`http://127.0.0.1:${port}/health/live`)).status === 200);
    expect(await dispatcher.stop()).toBe(0);
    const migrated = start('cli', { ...others, PRESENCE_PORT: 'x', DATABASE_URL: database.url }, 'migrate');
    expect(await migrated.exited()).toBe(0);
  });
});

describe('another ENCRYPTION_KEY than the database’s', () => {
  const other = { ENCRYPTION_KEY: randomBytes(16).toString('hex') };

  it.each(['dispatcher', 'subscription-api'])('%s ends with one line', async (name) => {
    const own = await createTestDatabase();
    try {
      await onDatabase(own.url, createSealer(undefined).seal('whsec_a'));
      const service = start(name, separate({ ...other, DATABASE_URL: own.url, LOG_LEVEL: 'error' }));
      expect(await service.exited()).toBe(1);
      expect(service.output).toMatch(/^ENCRYPTION_KEY: .*give every service the same ENCRYPTION_KEY\n$/);
    } finally {
      await own.drop();
    }
  });

  it('ends a dispatcher that was there before the first secret, too', async () => {
    const own = await createTestDatabase();
    try {
      const [port] = await freePorts(1);
      const service = start('dispatcher', separate({ ...other, DATABASE_URL: own.url, DISPATCHER_PORT: String(port) }));
      await eventually('live', async () => (await call(`http://127.0.0.1:${port}/health/live`)).status === 200);
      await onDatabase(own.url, createSealer(undefined).seal('whsec_a'));
      expect(await service.exited()).toBe(1);
      expect(service.output).toMatch(/^ENCRYPTION_KEY: .*the same ENCRYPTION_KEY$/m);
    } finally {
      await own.drop();
    }
  }, 90_000);

  async function onDatabase(url: string, sealed: string): Promise<void> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('insert into subscription.webhook_secret (client_id, secret_sealed) values (12, $1)', [sealed]);
    await client.end();
  }
});

it('a database that dies is told in one line a second, without a stack', async () => {
  const own = await createTestDatabase();
  const server = new pg.Client({ connectionString: inject('postgresUrl') });
  await server.connect();
  try {
    const [port] = await freePorts(1);
    const url = `http://127.0.0.1:${port}`;
    const service = start('subscription-api', separate({ DATABASE_URL: own.url, SUBSCRIPTION_API_PORT: String(port) }));
    await service.ready(url);
    // It answers before it says so: the line must not be counted below.
    await eventually('the line of its start', () => service.output.includes('"service.started"'));
    const before = service.output.length;
    await server.query(`alter database ${own.name} allow_connections false`);
    await server.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [own.name]);
    const credentials = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'a', client_secret: 'b' });
    let failed = 0;
    await eventually('many requests that failed', async () => {
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => call(`${url}/oauth/token`, { method: 'POST', body: credentials })),
      );
      failed += answers.filter(({ status }) => status === 503).length;
      return failed > 200 && service.output.slice(before).split('\n').length > 3;
    });
    const lines = service.output.slice(before).trim().split('\n');
    const times = lines.map((line) => Date.parse((JSON.parse(line) as { time: string }).time));
    expect(lines.length, lines.join('\n')).toBeLessThanOrEqual((times.at(-1)! - times[0]!) / 900 + 1);
    expect(service.output).not.toContain('"stack"');
    expect(lines.some((line) => line.includes('"left_out"'))).toBe(true);
  } finally {
    await server.end();
    await own.drop();
  }
}, 60_000);
