import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { createSealer, MIGRATIONS } from '#database';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { runCli } from './run.js';
import type { Finding } from './doctor/finding.js';

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

  async function examine(env: Record<string, string> = {}, ...args: string[]) {
    let out = '';
    let error = '';
    const code = await runCli(['doctor', '--json', '--probe', probeAt, ...args], {
      env: { DATABASE_URL: database.url, ENCRYPTION_KEY: KEY, DATA_DIR: '/nonexistent', ...env },
      write: (text) => void (out += text),
      writeError: (text) => void (error += text),
    });
    const answer = JSON.parse(out) as { status: string; findings: Finding[] };
    const bad = answer.findings.filter(({ status }) => status !== 'ok');
    return { code, error, ...answer, bad };
  }

  async function expectFinding(check: string, words: RegExp, env?: Record<string, string>, ...args: string[]): Promise<void> {
    const { code, bad, findings } = await examine(env, ...args);
    const finding = bad.find((one) => one.check === check);
    expect(finding, JSON.stringify(findings)).toMatchObject({ found: expect.stringMatching(words) as string });
    expect(finding!.remedy).toBeTruthy();
    expect(code).toBe(bad.some(({ status }) => status === 'error') ? 1 : 0);
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
