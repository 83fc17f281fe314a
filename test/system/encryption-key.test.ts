import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSealer } from '#database';
import type { RunningService } from '#runtime';
import { runCli } from '../../apps/cli/src/run.js';
import { call } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { ApiFixture } from '../support/subscription-api.js';

describe('a new ENCRYPTION_KEY', { timeout: 120_000 }, () => {
  const [before, after] = [randomBytes(16).toString('hex'), randomBytes(16).toString('hex')];
  let database: TestDatabase;
  let pool: pg.Pool;
  const running = new Set<RunningService>();

  beforeAll(async () => {
    database = await createTestDatabase();
    pool = new pg.Pool({ connectionString: database.url, max: 1 }).on('error', () => undefined);
  });
  afterAll(async () => {
    for (const service of running) await service.stop();
    await pool.end();
    await database.drop();
  });

  async function start(key: string, ...others: string[]): Promise<RunningService> {
    const service = await ApiFixture.startService(database.url, { ENCRYPTION_KEY: key, ENCRYPTION_KEY_PREVIOUS: others });
    running.add(service);
    return service;
  }
  async function tokenOf({ url }: RunningService): Promise<string> {
    const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'demo', client_secret: 'demo-secret' });
    return ((await call(`${url}/oauth/token`, { method: 'POST', body })).json as { access_token: string }).access_token;
  }
  const secretsOf = async ({ url }: RunningService, token: string, method = 'GET') => {
    const answer = await call(`${url}/api/ver1.0/client/@me/webhook_secret/`, {
      method,
      headers: { authorization: `Bearer ${token}` },
    });
    return { status: answer.status, text: answer.text };
  };
  async function reseal(...others: string[]): Promise<[number, string, string]> {
    let [out, error] = ['', ''];
    const code = await runCli(['keys', 'reseal'], {
      env: { DATABASE_URL: database.url, ENCRYPTION_KEY: after, ENCRYPTION_KEY_PREVIOUS: others.join(',') },
      write: (text) => void (out += text),
      writeError: (text) => void (error += text),
    });
    return [code, out, error];
  }
  const keysInUse = async () => {
    const { rows } = await pool.query<{ key: string }>(
      `select distinct split_part(sealed, '.', 2) as key from (
         select secret_sealed as sealed from subscription.webhook_secret union select private_jwk_sealed from access.signing_key) s`,
    );
    return rows.map(({ key }) => key);
  };

  it('takes the place of the one before while services run, and no secret or token is another one', async () => {
    const old = await start(before, after);
    const token = await tokenOf(old);
    await secretsOf(old, token, 'POST');
    const next = await start(after, before);
    const secrets = await secretsOf(next, token);
    expect(secrets.status).toBe(200);
    // What either seals, both open.
    expect((await secretsOf(next, token, 'POST')).status).toBe(201);
    const both = await secretsOf(old, token);
    expect(both).toEqual(await secretsOf(next, token));
    await expect(start(after)).rejects.toThrow(/ENCRYPTION_KEY/);

    const keyId = createSealer(after).keyId;
    expect(await reseal(before)).toEqual([
      0,
      expect.stringMatching(new RegExp(`^Sealed [1-9]\\d* secrets with key ${keyId}\\.\n$`)),
      '',
    ]);
    expect(await keysInUse()).toEqual([keyId]);
    expect(await reseal(before)).toEqual([0, `Sealed 0 secrets with key ${keyId}.\n`, '']);

    const alone = await start(after);
    expect(await secretsOf(alone, token)).toEqual(both);
    expect((await secretsOf(old, await tokenOf(alone))).status).toBe(200);
  });

  it('leaves what it cannot open as it is, and says so', async () => {
    const lost = createSealer('a key that was lost since').seal('whsec_x');
    const { rows } = await pool.query<{ id: string }>(
      'insert into subscription.webhook_secret (client_id, secret_sealed) values (77, $1) returning id',
      [lost],
    );
    const [code, , error] = await reseal(before);
    expect([code, error]).toEqual([1, expect.stringContaining(`subscription.webhook_secret ${rows[0]!.id} (sealed with key`)]);
    const kept = await pool.query<{ secret_sealed: string }>(
      'select secret_sealed from subscription.webhook_secret where client_id = 77',
    );
    expect(kept.rows).toEqual([{ secret_sealed: lost }]);
    expect((await reseal('a key that was lost since'))[0]).toBe(0);
    const cli = { env: { DATABASE_URL: database.url }, write: () => undefined, writeError: () => undefined };
    expect(await runCli(['keys', 'reseal'], cli)).toBe(1); // no key
  });
});
