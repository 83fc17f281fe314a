import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifySecret } from '#applications';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { runCli } from './run.js';

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

describe('the command for applications', () => {
  let database: TestDatabase;
  let pool: pg.Pool;

  beforeAll(async () => {
    database = await createTestDatabase();
    pool = new pg.Pool({ connectionString: database.url, max: 1 });
  });

  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  async function app(line: string, url: string | undefined = database.url): Promise<Outcome> {
    let out = '';
    let error = '';
    const code = await runCli(['applications', ...line.split(' ')], {
      env: { DATABASE_URL: url, DATA_DIR: '/nonexistent' },
      write: (text) => void (out += text),
      writeError: (text) => void (error += text),
    });
    return { code, out, error };
  }

  async function hashes(
    appId: string,
  ): Promise<{ secret_hash: string; previous_secret_hash: string | null; lasts: number | null }> {
    const { rows } = await pool.query<{ secret_hash: string; previous_secret_hash: string | null; lasts: number | null }>(
      `select secret_hash, previous_secret_hash, extract(epoch from previous_secret_expires_at - now())::float8 as lasts
       from access.application where app_id = $1`,
      [appId],
    );
    return rows[0]!;
  }

  it('says how to begin where there are none', async () => {
    const { code, out } = await app('list --client 4294967295');
    expect([code, out]).toEqual([0, expect.stringContaining('npm run app -- create <app_id>')]);
    expect((await app('list --client 4294967295 --json')).out).toBe('[]\n');
  });

  it('registers an application and shows its secret, for people and as JSON', async () => {
    const { code, out, error } = await app('create crm --client 12 --access call_api');
    expect([code, error]).toEqual([0, '']);
    expect(out).toMatch(
      /^app_id {6}crm\nclient_id {3}12\naccess {6}call_api\ncreated_at {2}\S+Z\nsecret {6}[\w-]{43}\n\nKeep the secret/,
    );
    const secret = /secret +(\S+)/.exec(out)![1]!;
    expect(await verifySecret(secret, (await hashes('crm')).secret_hash)).toBe(true);

    const json = JSON.parse((await app('create billing --client 13 --access all --json')).out) as object;
    expect(Object.keys(json)).toEqual(['app_id', 'client_id', 'access', 'created_at', 'revoked_at', 'secret']);

    const taken = await app('create crm --client 12 --access all');
    expect(taken).toEqual({ code: 1, out: '', error: 'crm: is taken\n' });
  });

  it('lists them, of all clients or of one', async () => {
    const { code, out } = await app('list');
    expect(code).toBe(0);
    expect(out.split('\n').map((line) => line.split(/ +/).slice(0, 3).join(' '))).toEqual([
      'app_id client_id access',
      'crm 12 call_api',
      'billing 13 all',
      '',
    ]);
    expect(out).not.toContain('secret');
    expect(JSON.parse((await app('list --client 13 --json')).out)).toEqual([
      expect.objectContaining({ app_id: 'billing', revoked_at: null }),
    ]);
    expect((await app('list --client 99 --json')).out).toBe('[]\n');
  });

  it('rotates a secret, and keeps the old one only where told to', async () => {
    const before = await hashes('crm');
    const { secret } = JSON.parse((await app('rotate crm --json --keep-previous-for 3600')).out) as { secret: string };
    const after = await hashes('crm');
    expect(await verifySecret(secret, after.secret_hash)).toBe(true);
    expect(after.previous_secret_hash).toBe(before.secret_hash);
    expect(after.lasts).toBeGreaterThan(3500);
    expect(after.lasts).toBeLessThan(3700);
    await app('rotate crm');
    expect(await hashes('crm')).toMatchObject({ previous_secret_hash: null, lasts: null });
  });

  it('revokes one, and then finds it no more', async () => {
    const { code, out } = await app('revoke crm');
    expect([code, out]).toEqual([0, expect.stringMatching(/revoked_at {2}\S+Z/)]);
    const gone = { code: 1, out: '', error: 'crm: there is no such application, or it is revoked\n' };
    expect([await app('revoke crm'), await app('rotate crm')]).toEqual([gone, gone]);
    expect((await app('revoke nobody')).code).toBe(1);
  });

  it('explains itself, and what is wrong', async () => {
    expect(await app('--help')).toEqual({
      code: 0,
      out: expect.stringContaining('create [options] <app_id>') as string,
      error: '',
    });
    const away = await app('list', 'postgresql://nobody@127.0.0.1:1/none');
    expect([away.code, away.error]).toEqual([1, expect.stringMatching(/^The database cannot be used: .+\n$/)]);
  });

  it.each([
    ['delete crm', 'delete'],
    ['constructor', 'constructor'],
    ['create', 'app_id'],
    ['create crm', '--client'],
    ['create crm --client 12', '--access'],
    ['create crm --client x --access all', 'must be a whole number from 0 to 4294967295'],
    ['create crm --client 12 --access admin', 'call_api, all, platform'],
    ['create crm two --client 12 --access all', 'too many arguments'],
    ['create crm --client 12 --access all --secret x', '--secret'],
    ['create .. --client 12 --access all', 'app_id: must not be . or ..'],
    ['list crm', 'too many arguments'],
    ['list --client -1', '--client'],
    ['list --client 4294967296', 'must be a whole number from 0 to 4294967295'],
    ['rotate', 'app_id'],
    ['rotate crm --keep-previous-for 1h', 'must be a whole number from 0 to 86400'],
    ['rotate crm --keep-previous-for 86401', 'must be a whole number from 0 to 86400'],
    ['revoke', 'app_id'],
    ['revoke crm --keep-previous-for 1', '--keep-previous-for'],
  ])('refuses %j with 2, and says why', async (line, why) => {
    const { code, out, error } = await app(line);
    expect([code, out]).toEqual([2, '']);
    expect(error).toContain(why);
    expect(error).toContain('Usage: npm run cli -- applications');
  });

  it('needs a database, and says so in one line', async () => {
    let error = '';
    const nothing = { env: { DATA_DIR: '/nonexistent' }, write: () => undefined };
    expect(await runCli(['applications', 'list'], { ...nothing, writeError: (text) => void (error += text) })).toBe(1);
    expect(error).toMatch(/^DATABASE_URL: is required: .+\n$/);
  });
});

describe('the command for migrations', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
  });

  afterAll(async () => {
    await database.drop();
  });

  async function migrations(...args: string[]): Promise<Outcome> {
    let out = '';
    let error = '';
    const code = await runCli(['migrate', ...args], {
      env: { DATABASE_URL: database.url, DATA_DIR: '/nonexistent' },
      write: (text) => void (out += text),
      writeError: (text) => void (error += text),
    });
    return { code, out, error };
  }

  it('lists them, and takes the newest back only where that is said twice', async () => {
    const states = async () => (await migrations('--list')).out.trimEnd().split('\n').slice(1);
    const before = await states();
    expect(before.length).toBeGreaterThan(10);
    expect(before.every((line) => line.endsWith('  applied'))).toBe(true);
    const newest = before.at(-1)!.split(' ')[0]!;
    expect(await migrations('--revert')).toMatchObject({ code: 2, out: '', error: expect.stringContaining('--yes') as string });
    expect(await migrations('--list', '--revert')).toMatchObject({ code: 2, out: '' });
    expect(await migrations('--revert', '--yes')).toEqual({ code: 0, out: `Took back ${newest}.\n`, error: '' });
    expect((await states()).map((line) => line.split(/ +/)[1])).toEqual([...before.slice(1).map(() => 'applied'), 'missing']);
  });
});
