import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { createSealer, EmbeddedPostgres, migrate, MIGRATIONS } from '#database';
import { examine as examineAs, expectFinding as expectIn, type Examination } from '../../../test/support/doctor.js';
import { eventually } from '../../../test/support/poll.js';
import { Pooler } from '../../../test/support/pooler.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import type { Environment } from '../../../test/support/process.js';
import { runCli } from './run.js';

const KEY = 'the key of every service';

/** Faults are planted in real parts; what cannot be had here, such as standbys, is in doctor/judgement.spec.ts. */
describe('doctor', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  let probe: Server;
  let probeAt: string;

  beforeAll(async () => {
    probe = createServer((_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
    await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
    probeAt = `127.0.0.1:${(probe.address() as AddressInfo).port}`;
  });

  afterAll(() => void probe.close());

  beforeEach(async () => {
    database = await createTestDatabase();
    pool = new pg.Pool({ connectionString: database.url, max: 1 });
  });

  afterEach(async () => {
    await pool.end();
    await database.drop();
  });

  const examine = (env: Environment = {}, ...args: string[]): Promise<Examination> =>
    examineAs(
      { DATABASE_URL: database.url, ENCRYPTION_KEY: KEY, DATA_DIR: '/nonexistent', ...env },
      ...['--probe', probeAt, ...args],
    );

  async function expectFinding(check: string, words: RegExp, env?: Environment, ...args: string[]): Promise<void> {
    expectIn(await examine(env, ...args), check, words);
  }

  it('finds nothing wrong with a healthy installation but what the tests’ own server gives up for speed', async () => {
    const { code, bad, findings } = await examine();
    expect(bad.map(({ check }) => check)).toEqual(['database.fsync']);
    expect(code).toBe(1);
    expect(findings.map(({ check }) => check)).toEqual(
      expect.arrayContaining(['settings', 'database.version', 'database.encryption_key', 'kafka.reach', 'oidc', 'egress']),
    );
  });

  it('says it in words where no JSON is asked for', async () => {
    let out = '';
    const write = (text: string): void => void (out += text);
    expect(await runCli(['doctor'], { env: { PRESENCE_PORT: 'x' }, write, writeError: write })).toBe(1);
    expect(out).toMatch(/^ERROR +settings: PRESENCE_PORT: "x" [^\n]+\n +→ [^\n]+\n/);
  });

  it('finds a database that is not there, or is none', async () => {
    await expectFinding('database.reach', /nothing listens there/, { DATABASE_URL: 'postgresql://u@127.0.0.1:1/none' });
    const stranger = new URL(database.url);
    stranger.username = 'nobody';
    await expectFinding('database.reach', /check the user/, { DATABASE_URL: stranger.toString() });
    await expectFinding('database.reach', /DATABASE_URL: is required/, { DATABASE_URL: '' });
  });

  it('finds a pooler in transaction mode in between', async () => {
    const pooler = await Pooler.start(database.url, { mode: 'transaction', size: 2 });
    try {
      await expectFinding('database.reach', /pooler in transaction mode.*use its session mode/, { DATABASE_URL: pooler.url });
    } finally {
      await pooler.stop();
    }
  });

  it('finds a database whose encoding cannot hold every name', async () => {
    const name = `${database.name}_latin`;
    await pool.query(`create database ${name} encoding 'LATIN1' template template0`);
    const url = new URL(database.url);
    url.pathname = `/${name}`;
    try {
      await expectFinding('database.reach', /encoding is LATIN1/, { DATABASE_URL: url.toString() });
    } finally {
      await pool.query(`drop database ${name} with (force)`);
    }
  });

  it('finds a clock that is off', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 30_000 });
    try {
      await expectFinding('database.clock', /^\d\d\.\d s from this machine/);
    } finally {
      vi.useRealTimers();
    }
  });

  it('finds a replica that is none, or not there', async () => {
    await expectFinding('database.replica', /is no copy/, { DATABASE_READ_URL: inject('postgresUrl') });
    await expectFinding('database.replica', /nothing listens/, { DATABASE_READ_URL: 'postgresql://u@127.0.0.1:1/none' });
    const { findings } = await examine({ DATABASE_READ_URL: database.url });
    expect(findings).toContainEqual(expect.objectContaining({ check: 'database.replica', status: 'ok' }));
  });

  it('finds a public address where Rollcall is not', async () => {
    await expectFinding('public_url', /openapi\.json: .*not Rollcall/, { PUBLIC_URL: `http://${probeAt}` });
    await expectFinding('public_url', /ECONNREFUSED|refused|connect/, { PUBLIC_URL: 'http://127.0.0.1:2' });
  });

  it('finds networks of one’s own that clients can reach', async () => {
    await expectFinding('settings.ALLOW_DESTINATIONS', /allows every address/, { ALLOW_DESTINATIONS: '::/0' });
  });

  it('finds a migration that is missing', async () => {
    await pool.query('delete from public.rollcall_migration where name = $1', [MIGRATIONS.at(-1)!.name]);
    await expectFinding('database.migrations', new RegExp(`1 are missing, the first is ${MIGRATIONS.at(-1)!.name}`));
  });

  it('finds a database that a later version has changed', async () => {
    await pool.query(`insert into public.rollcall_migration (timestamp, name) values (9999999999999, 'Later9999999999999')`);
    await expectFinding('database.migrations', /newer version/);
  });

  it('finds partitions that are missing ahead', async () => {
    const { rows } = await pool.query<{ name: string }>(
      `select relname as name from pg_class where relispartition and relname ~ '^status_change_[0-9]{8}$' order by relname desc limit 1`,
    );
    await pool.query(`drop table presence.${rows[0]!.name}`);
    await expectFinding('database.partitions', new RegExp(`1 are missing, the first is ${rows[0]!.name}`));
  });

  it('finds changes that nobody publishes', async () => {
    await pool.query(`
      with change as (
        insert into presence.status_change (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
        values (presence.uuid_v7_floor(now()), 12, 1, 'local', 'x', 'available', 'api', 1, now(), now() - interval '10 minutes') returning id, position)
      insert into presence.outbox (position, shard, change_id) select position, 0, id from change`);
    await expectFinding('database.outbox', /1 changes wait to be published, the oldest for 60\d s/);
  });

  it('finds a role that may do nothing, and a database that is read-only', async () => {
    const role = `doctor_${randomBytes(4).toString('hex')}`;
    await pool.query(`create role ${role} login password 'doctor'; grant select on public.rollcall_migration to ${role}`);
    try {
      const url = new URL(database.url);
      url.username = role;
      url.password = 'doctor';
      await expectFinding('database.rights', /may write none of the schemas access, /, { DATABASE_URL: url.toString() });
    } finally {
      await pool.query(`drop owned by ${role}; drop role ${role}`);
    }
    await pool.query(`alter database ${database.name} set default_transaction_read_only = on`);
    await expectFinding('database.writable', /read-only/);
  });

  it('finds settings of the database that give up durability, and too few connections', async () => {
    await pool.query(`alter database ${database.name} set synchronous_commit = off`);
    const { bad } = await examine();
    expect(bad.map(({ check }) => check)).toContain('database.synchronous_commit');
    await expectFinding('database.connections', /max_connections leaves \d+; 600 instances/, {}, '--instances', '600');
  });

  it('finds a server that loses what it has stored, bloats, has no room, or waits for a standby that is not there', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rollcall-doctor-'));
    await chmod(directory, 0o755); // the server may run as another user
    const flags = ['fsync=off', 'full_page_writes=off', 'autovacuum=off', 'max_connections=20'];
    const server = await EmbeddedPostgres.start(directory, flags);
    try {
      await server.ensureDatabase('rollcall');
      await migrate(server.url());
      const client = new pg.Client({ connectionString: server.url() });
      await client.connect();
      await client.query('set synchronous_commit = local');
      await client.query(`alter system set synchronous_standby_names = 'ANY 1 (*)'`);
      await client.query('select pg_reload_conf()');
      await client.end();
      const seen = await eventually('the setting', async () => {
        const answer = await examine({ DATABASE_URL: server.url() });
        return answer.bad.some(({ check }) => check === 'database.standbys') ? answer : undefined;
      });
      expectIn(seen, 'database.standbys', /none is connected: every write hangs/);
      expectIn(seen, 'database.fsync', /^off/);
      expectIn(seen, 'database.full_page_writes', /^off/);
      expectIn(seen, 'database.autovacuum', /^off: tables grow/);
      expectIn(seen, 'database.connections', /max_connections leaves 17; 6 instances/);
    } finally {
      await server.discard();
    }
  }, 90_000);

  it('finds an ENCRYPTION_KEY that opens nothing', async () => {
    const sealed = createSealer('a key that was lost since').seal('whsec_x');
    await pool.query('insert into subscription.webhook_secret (client_id, secret_sealed) values (12, $1)', [sealed]);
    await expectFinding('database.encryption_key', /were sealed with key/);
  });

  it('finds an issuer that is not there, or calls itself by another name', async () => {
    await expectFinding('oidc', /ECONNREFUSED|refused|connect/, { OIDC_ISSUER: 'http://127.0.0.1:2', OIDC_AUDIENCE: 'rollcall' });
    await expectFinding('oidc', /calls itself/, { OIDC_ISSUER: `http://${probeAt}`, OIDC_AUDIENCE: 'rollcall' });
  });

  it('finds that nothing gets out', async () => {
    const { bad, code } = await examine({}, '--probe', '127.0.0.1:1');
    expect(bad).toContainEqual(expect.objectContaining({ check: 'egress', status: 'warning' }));
    expect(code).toBe(1); // for the tests' own server
  });

  it('finds a broker that is not there', async () => {
    await expectFinding('kafka.reach', /127\.0\.0\.1:1/, { KAFKA_BROKERS: '127.0.0.1:1' });
  });

  it.skipIf(inject('kafkaBrokers').length === 0)('looks at the broker without writing to it', async () => {
    const brokers = inject('kafkaBrokers');
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    try {
      const before = await admin.listTopics();
      const { findings } = await examine({ KAFKA_BROKERS: brokers.join(',') });
      expect(findings).toContainEqual(expect.objectContaining({ check: 'kafka.reach', status: 'ok', found: '1 brokers' }));
      expect(findings.some(({ check }) => check === 'kafka.topics')).toBe(true);
      expect(await admin.listTopics()).not.toContain('rollcall.doctor');
      expect(before).not.toContain('rollcall.doctor');
    } finally {
      await admin.disconnect();
    }
  });
});
